"""Measures a full grid with shared growth against a plain loop of one fit per cell.

Both run in this process, depth by depth in turns, on the same synthetic embeddings; the shared side
is the whole study: Optuna, its journal file and every report included.

    uv run python -m tests.performance.sweep_grid [--small] [--head extra_trees] [--jobs 2]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmark.sweep.growth import Embedded, SharedGrowth
from benchmark.sweep.space import Grid
from benchmark.sweep.storage import open_storage
from benchmark.sweep.study import Budget, Search
from registry import heads

SIZES = tuple(range(50, 601, 50))
DEPTHS = (4, 8, 10, 16, 24, None)


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one way of filling a row of the grid took."""

    scores: dict[tuple[int, int | None], float]
    seconds: float
    trees: int


def make_embeddings(classes: int, per_class: int, features: int) -> Embedded:
    """Draw classes as overlapping clouds: 3 of 4 images train, the others val."""
    rng = np.random.default_rng(0)
    labels = np.arange(classes * per_class) % classes
    centres = rng.normal(size=(classes, features))
    noise = rng.normal(scale=2.0, size=(len(labels), features))
    embeddings = (centres[labels] + noise).astype(np.float32)
    train = np.arange(len(labels)) % (4 * classes) < 3 * classes
    return Embedded(
        train=embeddings[train],
        train_labels=labels[train],
        val=embeddings[~train],
        val_labels=labels[~train],
    )


def share(head: str, data: Embedded, sizes: tuple[int, ...], depth: int | None, jobs: int) -> Side:
    """Fill a row by a study with shared growth."""
    growth = SharedGrowth(heads[head], data, seed=0, jobs=jobs)
    grid = Grid(axes=(("n_estimators", sizes), ("max_depth", (depth,))))
    budget = Budget(sampler="grid", pruner="none")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        study = optuna.create_study(
            storage=open_storage(None, Path(folder) / "study.journal"), direction="maximize"
        )
        search = Search(
            study=study, space=grid, growth=growth, budget=budget, folder=Path(folder) / "workers"
        )
        trials = list(search.run())
        seconds = time.perf_counter() - start
    scores = {
        (t.params["n_estimators"], t.params["max_depth"]): float(t.value or 0) for t in trials
    }
    return Side(scores=scores, seconds=seconds, trees=growth.trees_grown)


def loop(head: str, data: Embedded, sizes: tuple[int, ...], depth: int | None, jobs: int) -> Side:
    """Fill a row by one fit per cell."""
    scores = {}
    start = time.perf_counter()
    for size in sizes:
        classifier: Any = heads[head].factory(seed=0, jobs=jobs, n_estimators=size, max_depth=depth)
        classifier.fit(data.train, data.train_labels)
        predicted = classifier.predict_proba(data.val).argmax(axis=1)
        scores[size, depth] = float((predicted == data.val_labels).mean())
    return Side(scores=scores, seconds=time.perf_counter() - start, trees=sum(sizes))


def total(sides: list[Side]) -> Side:
    """Add rows up."""
    return Side(
        scores={cell: score for side in sides for cell, score in side.scores.items()},
        seconds=sum(side.seconds for side in sides),
        trees=sum(side.trees for side in sides),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a smoke run of seconds")
    parser.add_argument("--head", default="extra_trees")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--images", type=int, default=32, help="of a class")
    parser.add_argument("--features", type=int, default=256)
    chosen = parser.parse_args()
    sizes = SIZES[:3] if chosen.small else SIZES
    depths = DEPTHS[-2:] if chosen.small else DEPTHS
    data = make_embeddings(chosen.classes, chosen.images, chosen.features)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    lines = [
        f"{chosen.head}: {len(data.train)} train and {len(data.val)} val images of "
        f"{chosen.classes} classes, {chosen.features} features, {chosen.jobs} jobs",
        "max_depth  shared s  trees    loop s  trees  share  same",
    ]
    rows: list[tuple[str, Side, Side]] = []
    for turn, depth in enumerate(depths):
        ways = (share, loop) if turn % 2 == 0 else (loop, share)
        sides = {way: way(chosen.head, data, sizes, depth, chosen.jobs) for way in ways}
        rows.append((str(depth).lower(), sides[share], sides[loop]))
    rows.append(("all", total([row[1] for row in rows]), total([row[2] for row in rows])))
    for name, shared, looped in rows:
        equal = sum(shared.scores[cell] == score for cell, score in looped.scores.items())
        lines.append(
            f"{name:>9} {shared.seconds:9.2f} {shared.trees:6} {looped.seconds:9.2f} "
            f"{looped.trees:6} {shared.seconds / looped.seconds:6.1%}  "
            f"{equal} of {len(looped.scores)}"
        )
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
