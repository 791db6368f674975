"""Turns one head on one backbone into a finished study, mirrored and scored."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.data.prepared import PreparedData
from benchmark.options import Outcome, RunOptions
from benchmark.runner import open_tracker
from benchmark.sweep.growth import SharedGrowth
from benchmark.sweep.mirror import Mirror
from benchmark.sweep.space import Space
from benchmark.sweep.status import others_running
from benchmark.sweep.storage import file_name, locked, open_storage, sweeps_folder
from benchmark.sweep.study import Budget, Search, best_trial
from benchmark.sweep.targets import Target, load_embedded, open_study, score_best
from registry import heads


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a study came to.

    Attributes:
        study: The study.
        best: Its best trial; None if none is complete.
        grid_accuracy: Best validation accuracy among the points of the head's own grid in the
            study; None if it has none of them.
        row: The best's row of the leaderboard; None if another process goes on.
    """

    study: Study
    best: FrozenTrial | None
    grid_accuracy: float | None
    row: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study to be made.

    Attributes:
        target: The head and its backbone, whose embeddings are there.
        space: What is varied.
        budget: How, and how long.
        storage: URL or file of the Optuna storage; None for the default.
        home: Folder for the default storage and locks.
    """

    target: Target
    space: Space
    budget: Budget
    storage: str | None
    home: Path

    @property
    def name(self) -> str:
        """Of the study."""
        return self.target.study_name(self.space)

    @property
    def folder(self) -> Path:
        """For locks and the files of workers."""
        return sweeps_folder(self.home) / "workers" / file_name(self.name)

    def open(self) -> Study:
        """Create or resume the study.

        Raises:
            ValueError: The storage cannot be reached.
        """
        default = sweeps_folder(self.home) / f"{file_name(self.name)}.journal"
        about = {
            "trials": self.budget.trials,
            "cells": len(self.space.points()) if self.budget.sampler == "grid" else None,
            "sampler": self.budget.sampler,
            "head": self.target.head,
            "backbone": self.target.backbone.name,
        }
        return open_study(self.name, open_storage(self.storage, default), about)

    def run(
        self, data: PreparedData, options: RunOptions, told: Callable[[Study, FrozenTrial], None]
    ) -> SweepResult:
        """Make the study's trials, mirror them, and score its best.

        Args:
            data: The images' labels and splits.
            options: Where runs are tracked.
            told: Called with each trial of this process.
        """
        study = self.open()
        growth = SharedGrowth(
            heads[self.target.head],
            load_embedded(self.target, data, options),
            seed=self.target.backbone.seed,
            jobs=os.cpu_count() or 1,
        )
        search = Search(
            study=study, space=self.space, growth=growth, budget=self.budget, folder=self.folder
        )
        tracker = open_tracker(options.store)
        mirror = Mirror(study, tracker, self._tags(options), self.folder.with_suffix(".mlflow"))
        try:
            for trial in search.run():
                told(study, trial)
                mirror.write_sometimes()
        except BaseException:
            mirror.end(running=others_running(study, self.folder), finished=False, points=[])
            raise
        return self._end(study, mirror, options)

    def _end(self, study: Study, mirror: Mirror, options: RunOptions) -> SweepResult:
        running = others_running(study, self.folder)
        best = best_trial(study.get_trials(deepcopy=False))
        row = None
        if best is not None and not running:
            tags = {"sweep": study.study_name, "sweep_run_id": mirror.run_id}
            with locked(self.folder.with_suffix(".score")):
                row = score_best(self.target, best, options, tags)
        mirror.end(running=running, finished=True, points=self._grid_points())
        return SweepResult(
            study=study, best=best, grid_accuracy=self._grid_accuracy(study), row=row
        )

    def _grid_points(self) -> list[dict[str, Any]]:
        return [dict(point) for point in heads[self.target.head].grid]

    def _grid_accuracy(self, study: Study) -> float | None:
        """The best that the head's own grid reached in the study."""
        points = {self.target.spec(point).id for point in self._grid_points()}
        return max(
            (
                trial.value
                for trial in study.get_trials(deepcopy=False)
                if trial.state == TrialState.COMPLETE
                and trial.value is not None
                and self.target.spec(trial.params).id in points
            ),
            default=None,
        )

    def _tags(self, options: RunOptions) -> dict[str, str]:
        spec = self.target.backbone
        return {
            "system": self.target.spec({}).system.title,
            "model": spec.system.model,
            "head": self.target.head,
            "weights": spec.weights,
            "data": spec.data.name,
            "context": spec.context,
            "preset": options.preset,
            "study": self.name,
        }
