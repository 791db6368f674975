"""Turns an Optuna study's trials into MLflow runs nested in one parent run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.data.figures import write_figure
from benchmark.ranking.runs import TRIAL_GROUP
from benchmark.sweep.growth import SIZE
from benchmark.sweep.pictures import draw_sweep
from benchmark.sweep.space import describe
from benchmark.sweep.storage import locked
from benchmark.sweep.trials import best_trial, is_finished, params_of
from benchmark.tracking.items import LogItem, Metric, Param, Tag
from benchmark.tracking.nested import Family, PastRun
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.saved_views import sweep_view
from benchmark.tracking.writer import Tracker

MIRROR_SECONDS = 15.0
SWEEP_GROUP = "sweep"
NOTE = "mlflow.note.content"
_NUMBER = "trial"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED"}
"""MLflow shows other states as failures; the tag trial_state tells a pruned trial."""
_NAMED = 2
"""So many of a trial's parameters are in its name; its params have all."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How trials are written.

    Attributes:
        tags: Of the parent and all trials.
        param_prefix: Of the parameters' names.
        space: What is varied and between what, by the parameter's name.
        about: The parent's description, in Markdown.
        unit: Name of the metric of the work that trials took.
        lock: File that keeps two processes from writing the same trial.
    """

    tags: Mapping[str, str]
    param_prefix: str
    space: Mapping[str, str]
    about: str
    unit: str
    lock: Path


class Mirror:
    """Writes finished trials to MLflow, in batches: there they are shown, not stored.

    Processes on one machine take turns; whoever has the turn writes the trials of all.
    """

    def __init__(self, study: Study, tracker: Tracker, writing: Writing) -> None:
        """Open the parent run.

        Args:
            study: Whose trials.
            tracker: Of the MLflow store.
            writing: How.
        """
        self._study = study
        self._tracker = tracker
        self._writing = writing
        space = {f"{writing.param_prefix}{name}": text for name, text in writing.space.items()}
        view = sweep_view(study.study_name, list(space))
        address = f"#/experiments/{tracker.experiment_id}/runs?viewStateShareKey={view.id}"
        with locked(writing.lock):
            self._family = Family(tracker, study.study_name, {"sweep": study.study_name})
            labels = {
                "group": SWEEP_GROUP,
                "kind": "sweep",
                NOTE: f"{writing.about}\n\n[Its trials]({address})",
            }
            self._family.relabel(self._family.id, {**writing.tags, **labels})
            self._family.parent.log(*(Param(name, text) for name, text in space.items()))
            self._family.parent.flush()
        tracker.set_experiment_tags(dict([view.tag()]))
        self._written = time.monotonic()

    @property
    def run_id(self) -> str:
        """Of the parent run."""
        return self._family.id

    def write_sometimes(self) -> None:
        """Write what has finished, if the last time is some seconds ago."""
        if time.monotonic() - self._written > MIRROR_SECONDS:
            # A store that is away gets them later: Optuna's storage has them.
            with suppress(StoreAway), self._tracker.patience.suspended():
                self.write()
            self._written = time.monotonic()

    def write(self) -> None:
        """Write each finished trial that MLflow does not have."""
        with locked(self._writing.lock):
            trials = self._study.get_trials(deepcopy=False)
            there = self._family.children(_NUMBER)
            for trial in trials:
                if is_finished(trial) and str(trial.number) not in there:
                    self._family.add(self._past_run(trial, trials))

    def end(self, *, running: bool, finished: bool, points: list[dict[str, object]]) -> None:
        """Write the rest, the figures of the whole study and its pictures.

        Args:
            running: Whether another process goes on: the parent run then stays open.
            finished: Whether this one came to its end.
            points: What it started from, to be marked.
        """
        self.write()
        trials = self._study.get_trials(deepcopy=False)
        done = [trial for trial in trials if is_finished(trial)]
        with tempfile.TemporaryDirectory() as folder:
            if best := best_trial(done):
                figures = draw_sweep(self._study, points)
                for name in figures:
                    write_figure(Path(folder) / f"{name}.png", partial(figures.__getitem__, name))
            with locked(self._writing.lock):
                if best is not None:
                    self._log_best(best, done)
                for path in Path(folder).iterdir():
                    self._family.upload(path)
                if finished and not running:
                    self._family.finish()
                elif not running:
                    self._family.pause()

    def _log_best(self, best: FrozenTrial, done: list[FrozenTrial]) -> None:
        assert best.value is not None
        self._family.parent.log(
            Metric("best_val_accuracy", best.value),
            Metric("trials", len(done)),
            Metric(self._writing.unit, sum(_note(trial, "work") for trial in done)),
            Metric("sweep_seconds", sum(_note(trial, "seconds") for trial in done)),
            Tag("best", describe(params_of(best))),
        )

    def _past_run(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> PastRun:
        notes = trial.user_attrs.get("notes", {})
        items: list[LogItem] = [
            Param(f"{self._writing.param_prefix}{name}", value)
            for name, value in params_of(trial).items()
        ]
        curve = curve_of(trial, trials)
        items += [Metric("val_accuracy", value, step) for step, value in sorted(curve.items())]
        if trial.value is not None:
            items.append(Metric("best_val_accuracy", trial.value))
        items += [
            Metric("trial_seconds", _note(trial, "seconds")),
            Metric(self._writing.unit, _note(trial, "work")),
            Tag("trial_state", trial.state.name.lower()),
        ]
        if "reason" in notes:
            items.append(Tag("pruned", notes["reason"]))
        if "answered_by" in notes:
            items.append(Tag("answered_by_trial", str(notes["answered_by"])))
        if "error" in trial.user_attrs:
            items.append(Tag("error", trial.user_attrs["error"]))
        named = dict(islice(params_of(trial).items(), _NAMED))
        return PastRun(
            name=f"trial {trial.number}: {describe(named)}",
            tags={
                **self._writing.tags,
                "group": TRIAL_GROUP,
                "kind": "trial",
                _NUMBER: str(trial.number),
            },
            items=items,
            status=_STATUS.get(trial.state, "FAILED"),
            start=_milliseconds(trial.datetime_start),
            end=_milliseconds(trial.datetime_complete),
        )


def curve_of(trial: FrozenTrial, trials: list[FrozenTrial]) -> dict[int, float]:
    """A trial's accuracy by step; one answered from another trial has that one's beginning."""
    curve = dict(trial.intermediate_values)
    source = trial.user_attrs.get("notes", {}).get("answered_by")
    size = trial.params.get(SIZE)
    if source is not None:
        curve |= {
            step: value
            for step, value in trials[source].intermediate_values.items()
            if size is None or step <= size
        }
    return curve


def _note(trial: FrozenTrial, name: str) -> float:
    return float(trial.user_attrs.get("notes", {}).get(name, 0.0))


def _milliseconds(moment: datetime | None) -> int:
    return int(1000 * (moment.timestamp() if moment else time.time()))
