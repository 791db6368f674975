"""Turns one head or network into a finished study, mirrored and scored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.execution.workers import ThisProcess, Workers
from benchmark.runs.options import Outcome, RunOptions
from benchmark.study.plan import content_hash
from benchmark.sweep.budget import Budget
from benchmark.sweep.mirror import Mirror
from benchmark.sweep.objective import Objective, Target
from benchmark.sweep.resuming import fail_elsewhere, others_at_work
from benchmark.sweep.search import Search
from benchmark.sweep.space import Grid, Space
from benchmark.sweep.storage import open_storage, sweep_file
from benchmark.sweep.targets import score_best
from benchmark.sweep.trials import best_trial, params_of
from benchmark.tracking.patience import StoreAway

SWEEP_VERSION = 1
"""Raise it when a trial's parameters would give another accuracy: no earlier study is resumed."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a study came to.

    Attributes:
        study: The study.
        best: Its best trial; None if none is complete.
        start_accuracy: Best validation accuracy among the points that it started from; None if it
            has none of them.
        row: The best's run of the first seed, in the leaderboard; None if another process goes on.
        repeats: Its runs of the other seeds.
    """

    study: Study
    best: FrozenTrial | None
    start_accuracy: float | None
    row: Outcome | None
    repeats: tuple[Outcome, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether it has a best, which all of its seeds scored or another process will."""
        ended = [self.row] if self.row is not None else []
        return self.best is not None and all(
            outcome.status == "completed" for outcome in [*ended, *self.repeats]
        )


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A study to be made.

    Attributes:
        target: The head or network; what it needs is there.
        space: What is varied.
        budget: How, and how long.
        storage: URL or file of the Optuna storage; None for the default.
        home: Folder for the default storage and a lock.
        others: The same target with other seeds, with which the best is scored, too.
    """

    target: Target
    space: Space
    budget: Budget
    storage: str | None
    home: Path
    others: tuple[Target, ...] = ()

    @cached_property
    def name(self) -> str:
        """Of the study: the same for the same target, its code and space, and no others."""
        kind = "grid" if isinstance(self.space, Grid) else "sweep"
        head = self.target.head
        of_head = filter(None, [head, self.target.spec({}).code_id]) if head else []
        made_of = [self.target.base.id, *of_head]
        content = content_hash(SWEEP_VERSION, *made_of, kind, self.space.bounds)
        return f"{self.target.name}-{kind}-{content[:8]}"

    def open(self) -> Study:
        """Create or resume the study.

        Raises:
            UserError: The storage cannot be reached.
        """
        study = optuna.create_study(
            study_name=self.name,
            storage=open_storage(self.storage, sweep_file(self.home, self.name, "journal")),
            direction="maximize",
            load_if_exists=True,
        )
        cells = len(self.space.points()) if self.budget.sampler == "grid" else None
        about = {"trials": self.budget.trials, "cells": cells, "sampler": self.budget.sampler}
        study.set_user_attr("about", about)  # what is planned, for others
        return study

    def run(
        self,
        options: RunOptions,
        told: Callable[[Study, FrozenTrial], None],
        hire: Callable[[Objective], Workers] = ThisProcess,
    ) -> SweepResult:
        """Make the study's trials, mirror them, and score its best.

        Args:
            options: Where runs are tracked.
            told: Called with each trial of this process.
            hire: Finds workers.
        """
        study = self.open()
        if self.storage is None:
            fail_elsewhere(study)
        objective = Objective(
            target=self.target,
            options=options,
            sizes=self.space.sizes,
            at_once=self.budget.pruner == "none",
        )
        workers = hire(objective)
        search = Search(
            study=study,
            space=self.space,
            objective=objective,
            budget=self.budget,
            workers=workers,
        )
        mirror = Mirror(study, self, options)
        try:
            mirror.begin()
            for trial in search.run():
                told(study, trial)
                mirror.write_sometimes()
            workers.end()
            return self._end(study, mirror, options)
        except StoreAway:
            raise
        except BaseException:
            with suppress(StoreAway):
                mirror.end(running=others_at_work(study), finished=False, points=[])
            raise
        finally:
            workers.end()

    def _end(self, study: Study, mirror: Mirror, options: RunOptions) -> SweepResult:
        running = others_at_work(study)
        best = best_trial(study.get_trials(deepcopy=False))
        row, repeats = None, []
        if best is not None and not running:
            tags = {"sweep": study.study_name, "sweep_run_id": mirror.run_id}
            row = score_best(self.target, best, options, tags)
            repeats = [score_best(other, best, options, tags) for other in self.others]
        mirror.end(running=running, finished=True, points=self.target.start_points)
        return SweepResult(
            study=study,
            best=best,
            start_accuracy=self._start_accuracy(study),
            row=row,
            repeats=tuple(repeats),
        )

    def _start_accuracy(self, study: Study) -> float | None:
        """The best that the starting points reached in the study."""
        points = {self.target.spec(point).id for point in self.target.start_points}
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best = best_trial([t for t in trials if self.target.spec(params_of(t)).id in points])
        return best.value if best else None
