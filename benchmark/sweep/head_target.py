"""Turns a head on a backbone's embeddings into something to sweep: its size is its trees."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.classifier.network import read_embeddings
from benchmark.runs.run_one import open_data, open_tracker
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from benchmark.sweep.growth import Embedded, SharedGrowth, ensemble_key, ensemble_size
from benchmark.sweep.objective import Objective, Target
from benchmark.sweep.space import Grid, Params, read_grid
from benchmark.training.devices import find_device
from registry import heads
from registry.code import code_id
from registry.core import near
from registry.errors import PluginError, UserError, one_line
from registry.protocols import SIZE
from registry.search_space import SearchSpace
from registry.specs import HeadSpec

RUNG = 25
"""Every so many trees a trial is reported and may be pruned."""
_TRIED = (300, 256)
"""So many images of so many features are what values of a grid are tried on."""
_NOT_SWEPT = {"random_state", "seed", "n_jobs", "nthread", "verbose", "verbosity", "warm_start"}


@dataclass(frozen=True, kw_only=True)
class HeadMeasurement:
    """See `benchmark.sweep.objective.Measurement`; smaller sizes are answered by larger ones.

    Attributes:
        growth: Grows the ensembles.
        objective: Says where accuracies are reported.
    """

    growth: SharedGrowth
    objective: Objective

    @property
    def work(self) -> int:
        """Trees of a forest, rounds of a booster; fits, for a head that does not grow."""
        return self.growth.trees_grown

    def measure(self, params: Params) -> Iterator[tuple[int, float]]:
        """See `Measurement`."""
        size = ensemble_size(self.growth.head, params)
        if self.objective.at_once:
            self.growth.grow(params, size)
        rungs = self.objective.sizes or range(RUNG, size, RUNG)
        for rung in [*(rung for rung in sorted(rungs) if rung < size), size]:
            yield rung, self.growth.grow(params, rung)[rung - 1]


@dataclass(frozen=True, kw_only=True)
class HeadTarget(Target):
    """A head on the embeddings that the base makes."""

    head: str
    trials = 50
    unit = "trees_grown"
    param_prefix = "head."
    start_title = "the study's grid"
    warmup = 2 * RUNG
    last_step = None

    @property
    def search_space(self) -> SearchSpace:
        """See `Target`."""
        if (space := heads[self.head].search_space) is None:
            known = [head.name for head in heads if head.search_space is not None]
            raise UserError(
                f"{self.head} has no search space; {near(self.head, known)} or name its axes: "
                "--grid NAME=VALUE,VALUE"
            )
        return space

    @property
    def start_points(self) -> list[Params]:
        """See `Target`."""
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
        code = code_id(heads[self.head].factory)
        return replace(self.base, system=system, needs=(self.base.id,), code_id=code)

    def grid(self, axes: Sequence[str]) -> Grid:
        """See `Target`."""
        return head_grid(self.head, axes)

    def key(self, params: Params) -> str:
        """See `Target`."""
        return ensemble_key(heads[self.head], params)

    def size(self, params: Params) -> int:
        """See `Target`."""
        return ensemble_size(heads[self.head], params)

    def measurement(self, objective: Objective) -> HeadMeasurement:
        """Read the embeddings of the train and val splits; a sweep never sees those of test."""
        base, options = self.base, objective.options
        tracker = open_tracker(options.store)
        run_id = tracker.find_completed({"spec_id": base.id, "embeddings": "kept"})
        assert run_id is not None, f"{self.name} is swept before its backbone"
        embeddings, _ = read_embeddings(tracker, run_id)
        data = open_data(base.data, base.input, options.home)
        train, val = data.rows("train"), data.rows("val")
        embedded = Embedded(
            train=embeddings[train],
            train_labels=data.labels[train],
            val=embeddings[val],
            val_labels=data.labels[val],
        )
        growth = SharedGrowth(
            heads[self.head],
            embedded,
            seed=base.seed,
            jobs=options.threads,
            device=str(find_device(options.device)),
        )
        return HeadMeasurement(growth=growth, objective=objective)


def head_grid(head: str, axes: Sequence[str]) -> Grid:
    """Read a head's full factorial, and try its values on a few random numbers.

    Raises:
        UserError: The head has no such setting, or does not take a value.
    """
    spec = heads[head]
    classifier: Any = spec.make(seed=0, jobs=1)
    if not hasattr(classifier, "get_params"):
        raise UserError(
            f"{head} has no get_params, which says what can be varied; derive its classifier from "
            "sklearn.base.BaseEstimator"
        )
    # A pipeline's are called STEP__NAME.
    names = [name.rpartition("__")[2] for name in classifier.get_params()]
    known = [name for name in dict.fromkeys(names) if name not in _NOT_SWEPT]
    grid = read_grid(axes, head, known)
    small = {SIZE: 1} if SIZE in known else {}
    if _refusal(spec, small) is not None:
        return grid  # it takes other embeddings alone: no value is to blame
    for setting, values in grid.axes:
        numbers = sorted(value for value in values if type(value) in (int, float))
        others = [value for value in values if type(value) not in (int, float)]
        for value in [*numbers[:1], *numbers[-1:], *others] if setting != SIZE else []:
            if error := _refusal(spec, {**small, setting: value}):
                told = textwrap.shorten(one_line(error), 200, placeholder=" …")
                raise UserError(f"{head} does not take {setting}={value}: {told}") from error
    return grid


def _refusal(spec: HeadSpec, params: Params) -> Exception | None:
    """Why a head with these parameters is not fitted to a few random numbers; None if it is."""
    count, width = _TRIED
    features = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    try:
        fresh: Any = spec.make(seed=0, jobs=1, **params)
        fresh.fit(features, np.arange(count) % 3)
    except (ValueError, TypeError, PluginError) as error:
        return error
    return None
