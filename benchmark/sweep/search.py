"""Turns a space into finished Optuna trials, alone or beside other processes, after any crash.

One process asks and tells; workers measure. Another that does the same in the same study joins it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from benchmark.execution.workers import Lost, Workers
from benchmark.processes.identity import this_process
from benchmark.study.plan import content_hash
from benchmark.sweep.budget import Budget, make_pruner, make_sampler
from benchmark.sweep.objective import Objective, Reply, is_of_the_machine
from benchmark.sweep.resuming import PROCESS, beating, begin_trial, fail_dead
from benchmark.sweep.space import Params, Space
from benchmark.sweep.trials import (
    AGAIN,
    FINISHED,
    POINT,
    SURPLUS,
    is_counted,
    is_lost,
    params_of,
)
from benchmark.tracking.patience import StoreAway
from registry.errors import UserError, one_line

BEGUN_AGAIN = 2
"""How often a trial is measured again whose process has died."""
ENOUGH_REPEATS = 100
"""After so many drawn trials in a row that are known already, a space has nothing new."""


@dataclass(kw_only=True)
class _Going:
    """A trial that is being measured, or waits for the worker that knows its trees."""

    trial: Trial
    params: Params
    key: str
    value: float = 0.0
    notes: dict[str, Any] = field(default_factory=lambda: {"work": 0, "seconds": 0.0})
    losses: int = 0


@dataclass(kw_only=True)
class Search:
    """One process's part in a study.

    Attributes:
        study: The Optuna study, shared with other processes.
        space: What it varies.
        objective: What its trials measure.
        budget: How, and how long.
        workers: Who measures them.
    """

    study: Study
    space: Space
    objective: Objective
    budget: Budget
    workers: Workers
    _known: dict[str, dict[int, tuple[float, int]]] = field(default_factory=dict)
    _pruned: dict[str, FrozenTrial] = field(default_factory=dict)
    _read: set[int] = field(default_factory=set)
    _busy: dict[int, _Going] = field(default_factory=dict)
    _waiting: list[_Going] = field(default_factory=list)
    _homes: dict[str, int] = field(default_factory=dict)
    _ended: deque[FrozenTrial] = field(default_factory=deque)
    _going: set[int] = field(default_factory=set)
    """Ids of the trials that go on here."""
    _given_up: set[int] = field(default_factory=set)
    """Numbers of the trials that this process's machine failed: another is to make them again."""
    _repeats: int = 0
    """So many trials in a row were answered from what is known."""

    def run(self) -> Iterator[FrozenTrial]:
        """Make trials until there are enough or the time is over.

        Yields:
            Each trial that this process has finished.

        Raises:
            UserError: No trial can be measured, or the storage is away for long.
        """
        target = self.objective.target
        self.study.pruner = make_pruner(self.budget.pruner, target, self.space)
        end = time.monotonic() + (self.budget.timeout or math.inf)
        with beating(self.study, self._going.copy):
            while True:
                while (
                    len(self._going) < self.workers.size
                    and time.monotonic() < end
                    and (trial := self._ask())
                ):
                    self._begin(trial)
                    yield from self._hand_back()
                yield from self._hand_back()
                if not self._busy:
                    return
                for worker, reply in self.workers.hear():
                    if worker in self._busy:
                        self._take(worker, reply)

    def _hand_back(self) -> Iterator[FrozenTrial]:
        while self._ended:
            yield self._ended.popleft()

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _counts(self, trial: FrozenTrial) -> bool:
        return is_counted(trial) or trial.number in self._given_up

    @cached_property
    def _points(self) -> dict[str, Params]:
        return {content_hash(point): point for point in self.space.points()}

    def _ask(self) -> Trial | None:
        """Begin a trial that is to be made; none if there are enough.

        Of two processes that do so at once, both may: Optuna numbers trials, and the first stays.
        """
        limit = self.budget.trials or math.inf
        while True:
            fail_dead(self.study, self._going)
            trials = self._trials()
            if sum(map(self._counts, trials)) >= limit or not (trial := self._next(trials)):
                return None
            earlier = [one for one in self._trials() if one.number < trial.number]
            counted = [one for one in earlier if self._counts(one)]
            point = trial.user_attrs.get(POINT)
            if len(counted) < limit and (
                point is None or all(one.user_attrs.get(POINT) != point for one in counted)
            ):
                return trial
            trial.set_user_attr(SURPLUS, True)
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _next(self, trials: list[FrozenTrial]) -> Trial | None:
        """Begin what others have put in line, a point, a trial that was lost, or one drawn."""
        if any(trial.state == TrialState.WAITING for trial in trials):
            trial = self.study.ask()
            trial.set_user_attr(PROCESS, str(this_process()))
            return trial
        missing = [one for one in trials if is_lost(one) and not self._counts(one)]
        lost = [one.params for one in missing if POINT not in one.user_attrs]
        there = {trial.user_attrs.get(POINT) for trial in trials if self._counts(trial)}
        wanted = {**self._points, **{content_hash(params): params for params in lost if params}}
        for key, params in wanted.items():
            if key not in there:
                return begin_trial(self.study, params, {POINT: key})
        # Until the time is over, a small space would be drawn again and again.
        is_exhausted = self.budget.trials is None and self._repeats >= ENOUGH_REPEATS
        if self.budget.sampler == "grid" or is_exhausted:
            return None
        return begin_trial(self.study, {}, {})

    @contextmanager
    def _unless_failed(self, trial: Trial) -> Iterator[None]:
        """Leave a trial that another process has failed meanwhile: it is made again."""
        try:
            yield
        except UpdateFinishedTrialError:
            self._going.discard(trial._trial_id)

    def _begin(self, trial: Trial) -> None:
        going = _Going(trial=trial, params={}, key="")
        self._going.add(trial._trial_id)
        with self._unless_failed(trial):
            self._suggest(going)

    def _suggest(self, going: _Going) -> None:
        """Draw a trial's parameters, and hand it over."""
        trial = going.trial
        try:
            self.study.sampler = make_sampler(self.budget.sampler, self.budget.seed, trial.number)
            going.params = self.space.suggest(trial)
            going.key = self.objective.target.key(going.params)
        except (StoreAway, UpdateFinishedTrialError):
            raise
        except Exception as error:  # it is the trial's result
            self._fail(going, one_line(error), again=is_of_the_machine(error))
            return
        if fixed := {k: v for k, v in going.params.items() if k not in trial.params}:
            trial.set_user_attr("fixed", fixed)
        self._hand_over(going)

    def _hand_over(self, going: _Going) -> None:
        """Answer a trial from what is known, or have it measured by who has grown its trees."""
        key, size = going.key, self.objective.target.size(going.params)
        self._read_finished()
        if (known := self._known.get(key, {}).get(size)) is not None:
            going.value, going.notes["answered_by"] = known
            self._tell(going, TrialState.COMPLETE)
        elif again := self._pruned.get(content_hash(going.params)):
            for step, value in again.intermediate_values.items():
                going.trial.report(value, step)
            reason = again.user_attrs["notes"]["reason"]
            going.notes |= {"answered_by": again.number, "reason": reason}
            self._tell(going, TrialState.PRUNED)
        else:
            idle = [worker for worker in range(self.workers.size) if worker not in self._busy]
            home = self._homes.get(key)
            if home in self._busy or not idle:
                self._waiting.append(going)
                return
            self._homes[key] = worker = next((one for one in idle if one == home), idle[0])
            self._busy[worker] = going
            self.workers.ask(worker, going.params)

    def _take(self, worker: int, reply: Reply | Lost) -> None:
        """Go on with a trial, or tell its result and begin what has waited for it."""
        going = self._busy[worker]
        if isinstance(reply, Lost):
            going.losses += reply.again
            if reply.again and going.losses <= BEGUN_AGAIN:
                self.workers.ask(worker, going.params)
                return
            times = f", {going.losses} times" if reply.again else ""
            reply = Reply(error=f"{reply.reason}{times}", again=True)
        if reply.hindered:
            raise UserError(reply.hindered)
        going.notes["work"] += reply.work
        going.notes["seconds"] += reply.seconds
        with self._unless_failed(going.trial):
            pruned = reply.pruned
            if reply.step is not None:
                going.value = reply.value
                if not (pruned := self._reason_to_stop(going, reply.step)):
                    self.workers.ask(worker, None)
                    return
            if reply.error:
                self._fail(going, reply.error, again=reply.again)
            else:
                going.notes |= {"reason": pruned} if pruned else {}
                self._tell(going, TrialState.PRUNED if pruned else TrialState.COMPLETE)
        del self._busy[worker]
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            with self._unless_failed(one.trial):
                self._hand_over(one)

    def _reason_to_stop(self, going: _Going, step: int) -> str:
        going.trial.report(going.value, step)
        size = self.objective.target.size(going.params)
        if step < size and going.trial.should_prune():
            return f"accuracy {going.value:.2%} at {step} of {size} ({self.budget.pruner})"
        return ""

    def _fail(self, going: _Going, error: str, *, again: bool) -> None:
        if again:
            self._given_up.add(going.trial.number)
            going.trial.set_user_attr(AGAIN, True)
        going.trial.set_user_attr("error", error)
        self._tell(going, TrialState.FAIL)

    def _tell(self, going: _Going, state: TrialState) -> None:
        going.trial.set_user_attr("notes", going.notes)
        value = going.value if state == TrialState.COMPLETE else None
        self._ended.append(self.study.tell(going.trial, value, state, skip_if_finished=True))
        self._going.discard(going.trial._trial_id)
        self._repeats = self._repeats + 1 if "answered_by" in going.notes else 0

    def _read_finished(self) -> None:
        """Learn what finished trials tell, of this process and of others."""
        for trial in self._trials():
            if trial.number in self._read or trial.state not in FINISHED:
                continue
            self._read.add(trial.number)
            params = params_of(trial)
            known = self._known.setdefault(self.objective.target.key(params), {})
            for step, value in trial.intermediate_values.items():
                known.setdefault(step, (value, trial.number))
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                known.setdefault(self.objective.target.size(params), (trial.value, trial.number))
            elif trial.state == TrialState.PRUNED:
                self._pruned.setdefault(content_hash(params), trial)
