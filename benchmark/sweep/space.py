"""Turns a search space and the command line's axes into what a study varies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

from benchmark.study.plan import content_hash
from benchmark.sweep.growth import SIZE
from registry.core import near
from registry.errors import UserError
from registry.specs import SearchSpace, Suggest

Params = dict[str, Any]
_MAX_CELLS = 100_000
_MAX_NUMBER = 10**12
_SHORT = {SIZE: "n", "max_depth": "d"}


class _Answers:
    """Suggests by a trial what is varied, and the rest as given, or lowest or first; notes all."""

    def __init__(
        self,
        trial: Suggest | None = None,
        varied: Sequence[str] = (),
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.asked: dict[str, Any] = {}
        self._trial = trial
        self._varied = varied
        self._given = given or {}

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        self.asked[name] = [low, high, step, log]
        if self._trial and name in self._varied:
            return self._trial.suggest_int(name, low, high, step=step, log=log)
        return int(self._given.get(name, low))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.asked[name] = [low, high, log]
        if self._trial and name in self._varied:
            return self._trial.suggest_float(name, low, high, log=log)
        return float(self._given.get(name, low))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked[name] = list(choices)
        if self._trial and name in self._varied:
            return self._trial.suggest_categorical(name, choices)
        return self._given.get(name, choices[0])


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
            UserError: The search space has no such setting.
        """
        for name in self.only:
            if name not in self._asked:
                raise UserError(
                    f"the search space of {self.name} has no setting {name!r}; "
                    f"{near(name, self._asked)}"
                )

    @cached_property
    def _asked(self) -> dict[str, Any]:
        answers = _Answers()
        self.space.suggest(answers)
        return answers.asked

    @property
    def settings(self) -> Any:
        """Plain values that tell one space from another."""
        return {name: asked for name, asked in self._asked.items() if name in self.names}

    @property
    def names(self) -> list[str]:
        """The parameters that it varies."""
        return [name for name in self._asked if not self.only or name in self.only]

    @property
    def bounds(self) -> dict[str, str]:
        """What is varied, and between what, for people."""
        return {name: bounds_of(asked) for name, asked in self.settings.items()}

    def suggest(self, trial: Suggest) -> Params:
        """Take a trial's parameters; what is not varied is as in the grid's last, or by default."""
        if not self.only:
            return self.space.suggest(trial)
        fixed = {**self.grid[-1], **self.space.defaults}
        return self.space.suggest(_Answers(trial, self.only, fixed))

    def points(self) -> list[Params]:
        """The grid, with the defaults of what it leaves open: tried in any case, first."""
        points = [{**self.space.defaults, **point} for point in self.grid]
        return [{name: point[name] for name in self.names} for point in points]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A full factorial: every combination of the values of its axes.

    Attributes:
        axes: Values by setting.
    """

    axes: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def settings(self) -> Any:
        """Plain values that tell one space from another."""
        return {"grid": dict(self.axes)}

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


def bounds_of(asked: Sequence[Any]) -> str:
    """Write what `_Recorder` noted: ``50 to 600 by 10``, ``1e-05 to 0.1, log`` or the choices."""
    if not (len(asked) in (3, 4) and isinstance(asked[-1], bool)):
        return ", ".join(map(str, asked))
    low, high, *step, log = asked
    by = f" by {step[0]}" if step and step[0] != 1 else ""
    return f"{low} to {high}{by}{', log' if log else ''}"


def point_key(params: Mapping[str, Any]) -> str:
    """The same text for the same parameters."""
    return content_hash(dict(params))
