"""Turns a head on a backbone's embeddings into something to sweep: its size is its trees."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from benchmark.classifier.network import read_embeddings
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_data, open_tracker
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from benchmark.sweep.growth import SIZE, Embedded, SharedGrowth, ensemble_key, ensemble_size
from benchmark.sweep.objective import Params
from benchmark.sweep.space import Grid, SettingSpace, Space, read_grid
from benchmark.training.devices import find_device
from registry import heads
from registry.core import near
from registry.errors import PluginError, UserError, one_line

RUNG = 25
"""Every so many trees a trial is reported and may be pruned."""
_TRIED = 30
"""So many images of so many features are what values of a grid are tried on."""
_NOT_SWEPT = {"random_state", "seed", "n_jobs", "nthread", "verbose", "verbosity", "warm_start"}


@dataclass(kw_only=True)
class HeadMeasurement:
    """See `benchmark.sweep.objective.Measurement`; smaller sizes are answered by larger ones.

    Attributes:
        growth: Grows the ensembles.
        sizes: As for `HeadObjective`.
        at_once: Likewise.
    """

    growth: SharedGrowth
    sizes: tuple[int, ...] = ()
    at_once: bool = False

    @property
    def work(self) -> int:
        """Trees of a forest, rounds of a booster; fits, for a head that does not grow."""
        return self.growth.trees_grown

    def measure(self, params: Params) -> Iterator[tuple[int, float]]:
        """See `Measurement`."""
        size = ensemble_size(self.growth.head, params)
        if self.at_once:
            self.growth.grow(params, size)
        rungs = self.sizes or range(RUNG, size, RUNG)
        for rung in [*(rung for rung in sorted(rungs) if rung < size), size]:
            yield rung, self.growth.grow(params, rung)[rung - 1]


@dataclass(frozen=True, kw_only=True)
class HeadObjective:
    """See `benchmark.sweep.objective.Objective`.

    Attributes:
        target: The head.
        options: Where the embeddings are.
        sizes: Where accuracies are reported: in a grid, the sizes of its cells, to answer them;
            none for every `RUNG`.
        at_once: Whether to grow to the size in one fit, since no trial is pruned on the way: each
            step costs a fit's preparation.
    """

    target: HeadTarget
    options: RunOptions
    sizes: tuple[int, ...] = ()
    at_once: bool = False
    unit: str = "trees_grown"
    warmup: int = 2 * RUNG
    last_step: int | Literal["auto"] = "auto"

    @property
    def spec(self) -> RunSpec:
        """See `Objective`."""
        return self.target.spec({})

    def key(self, params: Params) -> str:
        """See `Objective`."""
        return ensemble_key(heads[self.target.head], params)

    def size(self, params: Params) -> int:
        """See `Objective`."""
        return ensemble_size(heads[self.target.head], params)

    def prepare(self) -> HeadMeasurement:
        """Read the embeddings of the train and val splits; a sweep never sees those of test."""
        base = self.target.base
        tracker = open_tracker(self.options.store)
        run_id = tracker.find_completed({"spec_id": base.id, "embeddings": "kept"})
        assert run_id is not None, f"{self.target.name} is swept before its backbone"
        embeddings, _ = read_embeddings(tracker, run_id)
        data = open_data(base.data, base.input, self.options.home)
        train, val = data.rows("train"), data.rows("val")
        embedded = Embedded(
            train=embeddings[train],
            train_labels=data.labels[train],
            val=embeddings[val],
            val_labels=data.labels[val],
        )
        growth = SharedGrowth(
            heads[self.target.head],
            embedded,
            seed=base.seed,
            jobs=self.options.threads,
            device=str(find_device(self.options.device)),
        )
        return HeadMeasurement(growth=growth, sizes=self.sizes, at_once=self.at_once)


@dataclass(frozen=True, kw_only=True)
class HeadTarget:
    """A head on a backbone's embeddings; see `benchmark.sweep.targets.Target`.

    Attributes:
        base: The backbone's run, which makes the embeddings.
        head: Name of the head.
    """

    base: RunSpec
    head: str
    trials: int = 50
    param_prefix: str = "head."
    start_title: str = "the study's grid"

    @property
    def name(self) -> str:
        """Such as ``resnet18-frozen/extra_trees``."""
        return f"{self.base.name}/{self.head}"

    @property
    def content(self) -> tuple[str, ...]:
        """See `Target`."""
        return self.base.id, self.head

    @property
    def start_points(self) -> list[Params]:
        """The head's own grid."""
        return [dict(point) for point in heads[self.head].grid]

    def spec(self, params: Mapping[str, Any]) -> RunSpec:
        """The head's run with these parameters; what a parameter is by default is not named."""
        space = heads[self.head].search_space
        defaults = {} if space is None else space.defaults
        told = {k: v for k, v in params.items() if k not in defaults or defaults[k] != v}
        first = (SIZE, "max_depth")
        ordered = sorted(told.items(), key=lambda item: (item[0] not in first, item[0] != SIZE))
        system = System(
            model=self.base.system.model,
            schedule=self.base.system.schedule,
            head=self.head,
            params=tuple(ordered),
        )
        return replace(self.base, system=system, needs=(self.base.id,))

    def grid(self, axes: Sequence[str]) -> Grid:
        """See `Target`."""
        return head_grid(self.head, axes)

    def space(self, only: Sequence[str] = ()) -> SettingSpace:
        """The head's search space; see `Target`."""
        head = heads[self.head]
        if head.search_space is None:
            known = [head.name for head in heads if head.search_space is not None]
            raise UserError(
                f"{self.head} has no search space; {near(self.head, known)} or name its axes: "
                "--grid NAME=VALUE,VALUE"
            )
        return SettingSpace(
            name=self.head, space=head.search_space, grid=head.grid, only=tuple(only)
        )

    def objective(self, space: Space, options: RunOptions, *, prunes: bool) -> HeadObjective:
        """See `Target`."""
        return HeadObjective(
            target=self,
            options=options,
            sizes=space.sizes if isinstance(space, Grid) else (),
            at_once=not prunes,
        )


def head_grid(head: str, axes: Sequence[str]) -> Grid:
    """Read a head's full factorial, and try its values on a few random numbers.

    Raises:
        UserError: The head has no such setting, or does not take a value.
    """
    spec = heads[head]
    classifier: Any = spec.make(seed=0, jobs=1)
    # A pipeline's are called STEP__NAME.
    names = [name.rpartition("__")[2] for name in classifier.get_params()]
    known = [name for name in dict.fromkeys(names) if name not in _NOT_SWEPT]
    grid = read_grid(axes, head, known)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(_TRIED, _TRIED)).astype(np.float32), np.arange(_TRIED) % 3
    small = {SIZE: 1} if SIZE in known else {}
    for setting, values in grid.axes:
        numbers = sorted(value for value in values if type(value) in (int, float))
        others = [value for value in values if type(value) not in (int, float)]
        for value in [*numbers[:1], *numbers[-1:], *others] if setting != SIZE else []:
            try:
                fresh: Any = spec.make(seed=0, jobs=1, **{**small, setting: value})
                fresh.fit(features, labels)
            except (ValueError, TypeError, PluginError) as error:
                told = textwrap.shorten(one_line(error), 200, placeholder=" …")
                raise UserError(f"{head} does not take {setting}={value}: {told}") from error
    return grid
