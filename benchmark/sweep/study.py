"""Turns a space into finished Optuna trials, alone or beside other processes, after any crash."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from benchmark.sweep.objective import Objective, Params
from benchmark.sweep.space import Space, point_key
from benchmark.sweep.storage import GRACE_SECONDS, Worker, live_workers, locked
from benchmark.tracking.patience import StoreAway
from registry.errors import one_line

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SamplerName = Literal["tpe", "random", "qmc", "gp", "grid"]
PrunerName = Literal["median", "hyperband", "none"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How a study is searched, and for how long.

    Attributes:
        sampler: Name of Optuna's sampler; ``grid`` tries the points of the space and no others.
        pruner: Name of Optuna's pruner.
        trials: How many in all, those of earlier processes included; None for no limit.
        timeout: Seconds for this process; None for no limit.
        seed: Of the sampler.
    """

    sampler: SamplerName = "tpe"
    pruner: PrunerName = "median"
    trials: int | None = None
    timeout: float | None = None
    seed: int = 0


def make_sampler(name: SamplerName, seed: int, number: int) -> BaseSampler:
    """Make the sampler of one trial.

    It draws from a seed of the trial's number: neither a resumed process nor one beside it repeats
    what another drew, and a study that was stopped between two trials goes on as if it had not
    been. Only ``qmc`` needs one seed for its sequence, which it continues by itself.
    """
    if name == "random":
        return RandomSampler(seed=seed + number)
    if name == "qmc":
        return QMCSampler(seed=seed, warn_independent_sampling=False)
    if name == "gp":
        return GPSampler(seed=seed + number)
    return TPESampler(seed=seed + number)


def make_pruner(name: PrunerName, objective: Objective) -> BasePruner:
    """Make a pruner whose steps are the objective's: trees, rounds or epochs."""
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=objective.warmup)
    if name == "hyperband":
        return HyperbandPruner(min_resource=objective.warmup, max_resource=objective.last_step)
    return NopPruner()


def is_counted(trial: FrozenTrial) -> bool:
    """Whether a trial is one of ``--trials``: a crash or a clash with another process is not."""
    return trial.state in (*_FINISHED, TrialState.RUNNING) or "error" in trial.user_attrs


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a trial has a result."""
    return trial.state in _FINISHED or "error" in trial.user_attrs


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial with the best accuracy; of equals the smaller ensemble, then the earlier one."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(
        complete,
        key=lambda trial: (trial.value, -trial.params.get("n_estimators", 0), -trial.number),
        default=None,
    )


@dataclass(kw_only=True)
class Search:
    """One process's part in a study.

    Attributes:
        study: The Optuna study, shared with other processes.
        space: What it varies.
        objective: Answers its trials.
        budget: How, and how long.
        folder: For locks and the files of workers.
    """

    study: Study
    space: Space
    objective: Objective
    budget: Budget
    folder: Path
    _known: dict[str, dict[int, tuple[float, int]]] = field(default_factory=dict)
    _pruned: dict[str, FrozenTrial] = field(default_factory=dict)
    _read: set[int] = field(default_factory=set)

    def run(self) -> Iterator[FrozenTrial]:
        """Make trials until there are enough or the time is over.

        Yields:
            Each trial that this process has finished.
        """
        self.study.pruner = make_pruner(self.budget.pruner, self.objective)
        end = None if self.budget.timeout is None else time.monotonic() + self.budget.timeout
        with Worker(self.study, self.folder) as worker:
            with locked(self._lock):
                self._enqueue_points()
            while end is None or time.monotonic() < end:
                # One process at a time: SQLite hands a waiting trial to two that ask at once.
                with locked(self._lock):
                    revive(self.study, self.folder, worker.id)
                    if not self._is_open():
                        return
                    trial = self.study.ask()
                    trial.set_user_attr("worker", worker.id)
                if reason := self._clash(trial):
                    trial.set_user_attr("discarded", reason)
                    self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                    continue
                yield self._finish(trial)

    @property
    def _lock(self) -> Path:
        return self.folder.with_suffix(".lock")

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _enqueue_points(self) -> None:
        """Put in line what is to be tried in any case and is not there yet."""
        there = {
            trial.user_attrs.get("point")
            for trial in self._trials()
            if is_counted(trial) or trial.state == TrialState.WAITING
        }
        for point in self.space.points():
            key = point_key(point)
            if key not in there:
                self.study.enqueue_trial(point, user_attrs={"point": key})

    def _is_open(self) -> bool:
        trials = self._trials()
        if self.budget.trials is not None and sum(map(is_counted, trials)) >= self.budget.trials:
            return False
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or self.budget.sampler != "grid"

    def _clash(self, trial: Trial) -> str:
        """Why a trial is not to be made: processes that ask at once may ask too much."""
        trials = self._trials()
        earlier = [one for one in trials if one.number < trial.number and is_counted(one)]
        limit = self.budget.trials
        if limit is not None and len(earlier) >= limit:
            return "there are trials enough"
        point = trial.user_attrs.get("point")
        if point and any(one.user_attrs.get("point") == point for one in earlier):
            return "another process tries this point"
        if self.budget.sampler == "grid" and point is None:
            return "all cells of the grid are taken"
        return ""

    def _finish(self, trial: Trial) -> FrozenTrial:
        """Answer a trial; an error in it is its result, and no exception."""
        start = time.perf_counter()
        before = self.objective.work
        notes: dict[str, Any] = {}
        value: float | None = None
        state = TrialState.COMPLETE
        try:
            self.study.sampler = make_sampler(self.budget.sampler, self.budget.seed, trial.number)
            params = self.space.suggest(trial)
            if fixed := {k: v for k, v in params.items() if k not in trial.params}:
                trial.set_user_attr("fixed", fixed)
            value = self._answer(trial, params, notes)
        except optuna.TrialPruned as stop:
            state = TrialState.PRUNED
            notes["reason"] = str(stop)
        except StoreAway:  # no fault of the trial, which is put in line again
            raise
        except Exception as error:
            state = TrialState.FAIL
            trial.set_user_attr("error", one_line(error))
        notes["work"] = self.objective.work - before
        notes["seconds"] = time.perf_counter() - start
        trial.set_user_attr("notes", notes)
        return self.study.tell(trial, value, state, skip_if_finished=True)

    def _answer(self, trial: Trial, params: Params, notes: dict[str, Any]) -> float:
        """Find a trial's accuracy; notes which trial had it already.

        Raises:
            TrialPruned: The trial is stopped early; says why.
        """
        key, size = self.objective.key(params), self.objective.size(params)
        self._read_finished()
        if (known := self._known.get(key, {}).get(size)) is not None:
            value, notes["answered_by"] = known
            return value
        if again := self._pruned.get(point_key(params)):
            for step, value in again.intermediate_values.items():
                trial.report(value, step)
            notes["answered_by"] = again.number
            raise optuna.TrialPruned(again.user_attrs["notes"]["reason"])
        value = 0.0
        for step, value in self.objective.measure(params):
            trial.report(value, step)
            if step < size and trial.should_prune():
                raise optuna.TrialPruned(
                    f"accuracy {value:.2%} at {step} of {size} ({self.budget.pruner})"
                )
        return value

    def _read_finished(self) -> None:
        """Learn what finished trials tell, of this process and of others."""
        for trial in self._trials():
            if trial.number in self._read or trial.state not in _FINISHED:
                continue
            self._read.add(trial.number)
            params = params_of(trial)
            known = self._known.setdefault(self.objective.key(params), {})
            for step, value in trial.intermediate_values.items():
                known.setdefault(step, (value, trial.number))
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                known.setdefault(self.objective.size(params), (trial.value, trial.number))
            elif trial.state == TrialState.PRUNED:
                self._pruned.setdefault(point_key(params), trial)


def params_of(trial: FrozenTrial) -> Params:
    """A trial's parameters, those included that its study does not vary."""
    return {**trial.user_attrs.get("fixed", {}), **trial.params}


def revive(study: Study, folder: Path, self_id: str) -> None:
    """Put the trials of dead processes in line again.

    It may be killed, too: the trial is in line before it is given up, and is not put there twice.
    """
    trials = study.get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    others = [trial for trial in running if trial.user_attrs.get("worker") != self_id]
    if not others:
        return
    study_now = optuna.load_study(study_name=study.study_name, storage=study._storage)
    alive = live_workers(study_now, folder)
    for trial in others:
        if _has_worker(trial, alive, self_id):
            continue
        point = trial.user_attrs.get("point", f"trial {trial.number}")
        params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        there = any(
            one.user_attrs.get("point") == point and one.number != trial.number
            for one in trials
            if is_counted(one) or one.state == TrialState.WAITING
        )
        if params and not there:
            study.enqueue_trial(params, user_attrs={"point": point})
        study._storage.set_trial_user_attr(trial._trial_id, "discarded", "its process was killed")
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _has_worker(trial: FrozenTrial, alive: set[str], self_id: str) -> bool:
    worker = trial.user_attrs.get("worker")
    if worker is not None:
        return worker in alive
    # Killed before it could sign, or about to sign.
    age = (datetime.now() - (trial.datetime_start or datetime.now())).total_seconds()
    return bool(alive - {self_id}) and age < GRACE_SECONDS
