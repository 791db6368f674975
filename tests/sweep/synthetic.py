"""Embeddings and studies for tests, in this process or in one that is killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmark.execution.workers import Processes, ThisProcess
from benchmark.runs.options import RunOptions
from benchmark.study.config import TrainConfig
from benchmark.study.plan import DataSpec, RunSpec
from benchmark.study.suite import System
from benchmark.sweep.budget import Budget
from benchmark.sweep.growth import Embedded, SharedGrowth
from benchmark.sweep.head_target import HeadMeasurement, HeadTarget
from benchmark.sweep.objective import Objective
from benchmark.sweep.search import Search
from benchmark.sweep.space import SettingSpace, Space, read_grid
from benchmark.sweep.storage import open_storage
from benchmark.tracking.store import Store
from registry import heads

optuna.logging.set_verbosity(optuna.logging.WARNING)


def make_embedded(classes: int = 6, per_class: int = 16, features: int = 12) -> Embedded:
    """Overlapping clouds, so that accuracies differ."""
    rng = np.random.default_rng(1)
    labels = np.arange(classes * per_class) % classes
    centres = rng.normal(size=(classes, features))
    rows = (centres[labels] + 1.6 * rng.normal(size=(len(labels), features))).astype(np.float32)
    half = len(labels) // 2
    return Embedded(
        train=rows[:half], train_labels=labels[:half], val=rows[half:], val_labels=labels[half:]
    )


def make_growth(head: str = "extra_trees") -> SharedGrowth:
    return SharedGrowth(heads[head], make_embedded(), seed=3, jobs=1)


def open_study(place: str) -> optuna.Study:
    return optuna.create_study(
        study_name="study",
        storage=open_storage(place, Path("unused")),
        direction="maximize",
        load_if_exists=True,
    )


def base() -> RunSpec:
    data = DataSpec(name="d", fingerprint="f", image_size=32, num_classes=3, num_images=30, seed=0)
    system = System(model="resnet18", schedule="frozen")
    return RunSpec(system=system, data=data, train=TrainConfig(), seed=0)


class Slow(SharedGrowth):
    """Grows as slowly as a large ensemble does."""

    def grow(self, params: Mapping[str, Any], size: int) -> list[float]:
        time.sleep(0.05)
        return super().grow(params, size)


@dataclass(frozen=True, kw_only=True)
class Synthetic(HeadTarget):
    """On embeddings without images; a deadly file kills one who measures, a folder each."""

    base: RunSpec = field(default_factory=base)
    head: str = "extra_trees"
    slow: bool = False
    growth: SharedGrowth | None = None
    deadly: Path | None = None

    def measurement(self, objective: Objective) -> HeadMeasurement:
        kind = Slow if self.slow else SharedGrowth
        growth = self.growth or kind(heads["extra_trees"], make_embedded(), seed=3, jobs=1)
        if self.deadly and self.deadly.exists():
            if self.deadly.is_file():
                self.deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return HeadMeasurement(growth=growth, objective=objective)


def head_space(head: str, *only: str) -> SettingSpace:
    space = heads[head].search_space
    assert space is not None
    return SettingSpace(name=head, space=space, grid=heads[head].grid, only=only)


def make_search(
    place: str,
    *,
    budget: Budget,
    space: Space | None = None,
    jobs: int = 1,
    **target: Any,
) -> Search:
    space = space or head_space("extra_trees", "n_estimators", "max_depth")
    objective = Objective(
        target=Synthetic(**target),
        options=RunOptions(store=Store(uri="sqlite:///none.db", experiment="none"), home=Path()),
        sizes=space.sizes,
        at_once=budget.pruner == "none",
    )
    return Search(
        study=open_study(place),
        space=space,
        objective=objective,
        budget=budget,
        workers=ThisProcess(objective) if jobs == 1 else Processes.serving(objective, jobs),
    )


def grid() -> Space:
    axes = ["n_estimators=5:40:5", "max_depth=2,3,4,6,none"]
    return read_grid(axes, "extra_trees", ["n_estimators", "max_depth"])


def work(place: str, trials: str, jobs: str) -> Iterator[str]:
    """What a separate process does: ``grid`` for the whole grid, else so many trials."""
    if trials == "grid":
        budget, space = Budget(sampler="grid", pruner="none"), grid()
    else:
        budget, space = Budget(sampler="random", pruner="none", trials=int(trials)), None
    search = make_search(place, budget=budget, space=space, jobs=int(jobs), slow=True)
    for trial in search.run():
        yield f"{trial.number}"
    search.workers.end()


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()  # so that several begin at once, however long their imports take
    for line in work(*sys.argv[1:]):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
