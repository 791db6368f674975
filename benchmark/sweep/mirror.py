"""Turns an Optuna study's trials into MLflow runs nested in one parent run."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from filelock import FileLock
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.data.figures import write_figure
from benchmark.processes.identity import ProcessName, this_process
from benchmark.ranking.runs import TRIAL_GROUP
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.sweep.pictures import draw_sweep
from benchmark.sweep.resuming import PROCESS, at_work
from benchmark.sweep.space import describe
from benchmark.sweep.storage import sweep_file
from benchmark.sweep.trials import best_trial, has_ended, is_finished, params_of
from benchmark.tracking.items import LogItem, Metric, Param, Tag
from benchmark.tracking.nested import Family, PastRun
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.pending import NOTE
from benchmark.tracking.saved_views import sweep_view
from registry.printable import marked
from registry.protocols import SIZE

if TYPE_CHECKING:
    from benchmark.sweep.run import Sweep

MIRROR_SECONDS = 15.0
MIRROR_TIMES = 20
"""How many times as long as the last writing the next one waits, at least."""
SWEEP_GROUP = "sweep"
_KIND = {"kind": "sweep"}
"""Which the row of the best, with the same tag of its sweep, is not."""
_STUDY_ID = "study_id"
"""User attribute of a study, and tag of its runs: other storages have studies of the same name."""
_NUMBER = "trial"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED"}
"""MLflow shows other states as failures; the tag trial_state tells a pruned trial."""
_NAMED = 2
"""So many of a trial's parameters are in its name; its params have all."""


class Mirror:
    """Writes finished trials to MLflow, in batches: there they are shown, not stored.

    Processes on one machine take turns; whoever has the turn writes the trials of all. Those of
    another machine are left to it, but by the last process to end.
    """

    def __init__(self, study: Study, sweep: Sweep, options: RunOptions) -> None:
        """Find the parent run, or create it.

        Args:
            study: Whose trials.
            sweep: Of which they are.
            options: Where runs are tracked.
        """
        self._study = study
        self._sweep = sweep
        self._target = sweep.target
        lock = sweep_file(sweep.home, sweep.name, "mlflow")
        lock.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(lock)
        self._tags = _tags(sweep, options)
        self._tracker = open_tracker(options.store)
        with self._lock:
            self._tags[_STUDY_ID] = self._study_id()
            key = {"sweep": sweep.name, **_KIND, _STUDY_ID: self._tags[_STUDY_ID]}
            self._family = Family(self._tracker, sweep.name, key)
        self._written = time.monotonic()
        self._took = 0.0

    @property
    def run_id(self) -> str:
        """Of the parent run."""
        return self._family.id

    def _study_id(self) -> str:
        """The study's id; one that began without takes over a parent run that has none."""
        known: str | None = self._study.user_attrs.get(_STUDY_ID)
        if known is None:
            known = uuid4().hex
            if self._study.get_trials(deepcopy=False):
                query = f"tags.sweep = '{self._sweep.name}' and tags.kind = '{_KIND['kind']}'"
                older = [r for r in self._tracker.search(query) if _STUDY_ID not in r.data.tags]
                for run in older[:1]:
                    self._tracker.client.set_tag(run.info.run_id, _STUDY_ID, known)
            self._study.set_user_attr(_STUDY_ID, known)
        return known

    def begin(self) -> None:
        """Open the parent run, with what it is about."""
        space = {
            f"{self._target.param_prefix}{name}": text
            for name, text in self._sweep.space.bounds.items()
        }
        view = sweep_view(self._sweep.name, self.run_id, list(space))
        address = f"#/experiments/{self._tracker.experiment_id}/runs?viewStateShareKey={view.id}"
        note = f"{_about(self._sweep)}\n\n[Its trials]({address})"
        with self._lock:
            self._family.begin({**self._tags, "group": SWEEP_GROUP, **_KIND, NOTE: note})
            self._family.parent.log(*(Param(name, text) for name, text in space.items()))
            self._family.parent.flush()
        self._tracker.set_experiment_tags(dict([view.tag()]))

    def write_sometimes(self) -> None:
        """Write what has finished, if the last time is some seconds ago."""
        began = time.monotonic()
        if began - self._written > max(MIRROR_SECONDS, MIRROR_TIMES * self._took):
            # A store that is away gets them later: Optuna's storage has them.
            with suppress(StoreAway), self._tracker.patience.suspended():
                self.write()
            self._written = time.monotonic()
            self._took = self._written - began

    def write(self, *, of_all: bool = False) -> None:
        """Write each ended trial that MLflow does not have, of this machine or of all."""
        written = False
        with self._lock:
            trials = self._study.get_trials(deepcopy=False)
            there = self._family.children(_NUMBER)
            for trial in trials:
                maker = ProcessName.read(trial.user_attrs.get(PROCESS, ""))
                ours = of_all or maker is None or maker.is_here
                if ours and has_ended(trial) and str(trial.number) not in there:
                    self._family.add(self._past_run(trial, trials))
                    written = True
            if of_all and written:
                self._family.children(_NUMBER)  # of what another machine wrote, too, one goes

    def end(self, *, running: bool, finished: bool, points: list[dict[str, object]]) -> None:
        """Write the rest, the figures of the whole study and its pictures.

        Args:
            running: Whether another process goes on: the parent run then stays open.
            finished: Whether this one came to its end.
            points: What it started from, to be marked.
        """
        self.write(of_all=not running)
        trials = self._study.get_trials(deepcopy=False)
        done, ended = ([*filter(test, trials)] for test in (is_finished, has_ended))
        with tempfile.TemporaryDirectory() as folder:
            if best := best_trial(done):
                figures = draw_sweep(self._study, points)
                for name in figures:
                    write_figure(Path(folder) / f"{name}.png", partial(figures.__getitem__, name))
            with self._lock:
                if best is not None:
                    self._log_best(best, done)
                for path in Path(folder).iterdir():
                    self._family.upload(path)
                if running:
                    # Whoever began last may end first: a parent run of a dead process is killed.
                    for process in sorted(at_work(self._study) - {this_process()}, key=str)[:1]:
                        self._family.leave_to(process)
                elif not finished:
                    self._family.pause()
                elif ended and best is None:
                    self._family.fail(f"no trial is complete; the last: {_lack(ended[-1])}")
                else:
                    self._family.finish()

    def _log_best(self, best: FrozenTrial, done: list[FrozenTrial]) -> None:
        assert best.value is not None
        self._family.parent.log(
            Metric("best_val_accuracy", best.value),
            Metric("trials", len(done)),
            Metric(self._target.unit, sum(_note(trial, "work") for trial in done)),
            Metric("sweep_seconds", sum(_note(trial, "seconds") for trial in done)),
            Tag("best", describe(params_of(best))),
        )

    def _past_run(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> PastRun:
        target, params = self._target, params_of(trial)
        curve = _curve_of(trial, trials)
        items: list[LogItem] = [
            *(Param(f"{target.param_prefix}{name}", value) for name, value in params.items()),
            *(Metric("val_accuracy", value, step) for step, value in sorted(curve.items())),
            *([] if trial.value is None else [Metric("best_val_accuracy", trial.value)]),
            Metric("trial_seconds", _note(trial, "seconds")),
            Metric(target.unit, _note(trial, "work")),
        ]
        notes = trial.user_attrs.get("notes", {})
        tags = {
            **self._tags,
            "group": TRIAL_GROUP,
            "kind": "trial",
            "trial_state": trial.state.name.lower(),
            "pruned": notes.get("reason"),
            "answered_by_trial": notes.get("answered_by"),
            "error": trial.user_attrs.get("error"),
            _NUMBER: trial.number,
        }
        named = {**trial.params, **params}  # what is varied comes first
        return PastRun(
            name=f"trial {trial.number}: {describe(dict(islice(named.items(), _NAMED)))}",
            tags={name: str(value) for name, value in tags.items() if value is not None},
            items=items,
            status=_STATUS.get(trial.state, "FAILED"),
            start=_milliseconds(trial.datetime_start),
            end=_milliseconds(trial.datetime_complete),
        )


def _about(sweep: Sweep) -> str:
    title, budget = marked(sweep.target.spec({}).system.title), sweep.budget
    return (
        f"An Optuna study of **{title}**: {', '.join(map(marked, sweep.space.bounds))}; sampler "
        f"{budget.sampler}, pruner {budget.pruner}. A pruned trial was stopped early, since "
        "others were better by then; it is no failure."
    )


def _tags(sweep: Sweep, options: RunOptions) -> dict[str, str]:
    base = sweep.target.base
    return {
        "system": sweep.target.spec({}).title,
        "model": base.system.model,
        "head": sweep.target.head or "",
        "weights": base.weights,
        "data": base.data.name,
        "context": base.context,
        "preset": options.preset,
        "study": sweep.name,
    }


def _curve_of(trial: FrozenTrial, trials: list[FrozenTrial]) -> dict[int, float]:
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


def _lack(trial: FrozenTrial) -> str:
    """Why a trial is not complete."""
    told = trial.user_attrs
    return str(told.get("error") or told.get("notes", {}).get("reason", "pruned"))


def _note(trial: FrozenTrial, name: str) -> float:
    return float(trial.user_attrs.get("notes", {}).get(name, 0.0))


def _milliseconds(moment: datetime | None) -> int:
    return int(1000 * (moment.timestamp() if moment else time.time()))
