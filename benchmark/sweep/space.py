"""Turns a search space and the command line's axes into what a study varies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, cast

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FixedTrial

from registry.core import near
from registry.errors import UserError, one_line
from registry.protocols import SIZE
from registry.search_space import SearchSpace, Suggest

Params = dict[str, Any]
_MAX_CELLS = 100_000
_MAX_NUMBER = 10**12
_SHORT = {SIZE: "n", "max_depth": "d"}


class _Partly:
    """Suggests by a trial what is varied, and the rest by another."""

    def __init__(self, trial: Suggest, varied: Sequence[str], rest: Suggest) -> None:
        self._trial = trial
        self._varied = varied
        self._rest = rest

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def suggest(name: str, *args: Any, **kwargs: Any) -> Any:
            trial = self._trial if name in self._varied else self._rest
            return getattr(trial, method)(name, *args, **kwargs)

        return suggest


@dataclass(frozen=True, kw_only=True)
class SettingSpace:
    """A search space, or some of its settings with the others fixed.

    Attributes:
        name: Of what it belongs to, for errors.
        space: The search space.
        grid: The points that are tried in any case.
        only: The settings to vary; none for all.
        sizes: As for `Grid`: none.
    """

    name: str
    space: SearchSpace
    grid: tuple[Mapping[str, Any], ...]
    only: tuple[str, ...] = ()
    sizes: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UserError: The search space has no such setting, or does not hold a point of the grid.
        """
        for point in self.grid:
            try:
                with warnings.catch_warnings(action="ignore"):  # a value may lie out of the range
                    self.space.suggest(FixedTrial({**self.space.defaults, **point}))
            except Exception as error:  # a plugin's
                raise UserError(
                    f"the search space of {self.name} does not hold {dict(point)} "
                    f"({one_line(error)}); what a point of the grid leaves open stands in defaults"
                ) from error
        for name in self.only:
            if name not in self._distributions:
                raise UserError(
                    f"the search space of {self.name} has no setting {name!r}; "
                    f"{near(name, self._distributions)}"
                )

    @cached_property
    def _usual(self) -> FixedTrial:
        """The grid's last point, with the defaults of what it leaves open."""
        return FixedTrial({**self.space.defaults, **self.grid[-1]})

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        self.space.suggest(self._usual)
        return self._usual.distributions

    @property
    def bounds(self) -> dict[str, str]:
        """The parameters that it varies, and between what, for people."""
        varied = self.only or self._distributions
        return {
            name: _bounds_of(one) for name, one in self._distributions.items() if name in varied
        }

    @property
    def largest(self) -> int | None:
        """The most trees or rounds that it asks for; None if it says nothing of them."""
        varied: Any = self._distributions.get(SIZE)
        if varied is None or SIZE not in self.bounds:
            return self._usual.params.get(SIZE)
        return int(max(varied.choices) if hasattr(varied, "choices") else varied.high)

    def suggest(self, trial: Suggest) -> Params:
        """Take a trial's parameters; what is not varied is as in the grid's last, or by default."""
        if not self.only:
            return self.space.suggest(trial)
        return self.space.suggest(cast(Suggest, _Partly(trial, self.only, self._usual)))

    def points(self) -> list[Params]:
        """The grid, with the defaults of what it leaves open: tried in any case, first."""
        points = [{**self.space.defaults, **point} for point in self.grid]
        return [{name: point[name] for name in self.bounds} for point in points]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A full factorial: every combination of the values of its axes.

    Attributes:
        axes: Values by setting.
    """

    axes: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def bounds(self) -> dict[str, str]:
        """What is varied, and the values, for people."""
        return {name: ", ".join(map(str, values)) for name, values in self.axes}

    def suggest(self, trial: Suggest) -> Params:
        """Take a trial's parameters."""
        return {name: trial.suggest_categorical(name, values) for name, values in self.axes}

    def points(self) -> list[Params]:
        """All cells, those of the largest ensembles first: they answer all the others."""
        names, values = zip(*self.axes, strict=True)
        cells = [dict(zip(names, cell, strict=True)) for cell in product(*values)]
        return sorted(cells, key=lambda cell: -cell.get(SIZE, 0))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of ensembles among the cells."""
        return tuple(dict(self.axes).get(SIZE, ()))

    @property
    def largest(self) -> int | None:
        """See `SettingSpace`."""
        return max(self.sizes, default=None)


Space = SettingSpace | Grid
"""What a study varies."""


def read_grid(axes: Iterable[str], name: str, known: Sequence[str]) -> Grid:
    """Read axes such as ``n_estimators=50:600:50`` and ``max_depth=4,8,none``.

    Args:
        axes: ``NAME=VALUE,VALUE,...`` or ``NAME=FIRST:LAST:STEP``, the last included.
        name: Of what is swept, for errors.
        known: The settings that it has.

    Raises:
        UserError: There is no such setting, or an axis cannot be read.
    """
    read: dict[str, tuple[Any, ...]] = {}
    cells = 1
    for axis in axes:
        setting, equals, values = axis.partition("=")
        if not equals or not values:
            raise UserError(f"--grid {axis!r} has no values; write {setting}=VALUE,VALUE")
        if setting not in known:
            raise UserError(f"{name} has no setting {setting!r}; {near(setting, known)}")
        if setting in read:
            raise UserError(f"--grid names {setting} twice; give all its values in one")
        found = _values(axis, values)
        cells *= len(found)
        if cells > _MAX_CELLS:
            raise UserError(
                f"the grid has {cells:,} cells up to {setting}; give fewer values, at most "
                f"{_MAX_CELLS:,} in all"
            )
        read[setting] = tuple(found)
        if setting == SIZE and not all(type(n) is int and n > 0 for n in read[setting]):
            raise UserError(f"--grid {axis!r}: {SIZE} takes whole numbers from 1")
    return Grid(axes=tuple(read.items()))


def _values(axis: str, values: str) -> Sequence[Any]:
    """Read an axis; a range is not written out yet."""
    if ":" in values:
        try:
            first, last, step = (int(part) for part in values.split(":"))
        except ValueError as error:
            raise UserError(
                f"--grid {axis!r} is no range of whole numbers; write FIRST:LAST:STEP"
            ) from error
        if step < 1 or last < first:
            raise UserError(f"--grid {axis!r} is empty; write FIRST:LAST:STEP with STEP from 1")
        if max(abs(first), abs(last)) > _MAX_NUMBER:
            raise UserError(f"--grid {axis!r}: numbers beyond {_MAX_NUMBER:,} are not tried")
        return range(first, last + 1, step)
    return tuple(dict.fromkeys(_value(axis, part) for part in values.split(",")))


def _value(axis: str, text: str) -> Any:
    words: dict[str, Any] = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if not -_MAX_NUMBER <= number <= _MAX_NUMBER:  # nor is what is no number
            raise UserError(f"--grid {axis!r}: {text} is no number to try")
        return number
    if not text.strip():
        raise UserError(f"--grid {axis!r} has an empty value; write VALUE,VALUE")
    return text


def describe(params: Mapping[str, object]) -> str:
    """Parameters in one line: ``n=300 d=24 max_features=sqrt``."""

    def written(value: object) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value).lower()

    return " ".join(f"{_SHORT.get(name, name)}={written(v)}" for name, v in params.items())


def _bounds_of(varied: Any) -> str:
    """Write a distribution: ``50 to 600 by 10``, ``1e-05 to 0.1, log`` or the choices."""
    if isinstance(varied, CategoricalDistribution):
        return ", ".join(map(str, varied.choices))
    by = f" by {varied.step}" if varied.step not in (None, 1) else ""
    return f"{varied.low} to {varied.high}{by}{', log' if varied.log else ''}"
