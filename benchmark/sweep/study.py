"""Turns a space into finished Optuna trials, alone or beside other processes, after any crash.

One process asks and tells; workers measure. Another that does the same in the same study joins it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from benchmark.sweep.budget import Budget, make_pruner, make_sampler
from benchmark.sweep.measuring import Death, End, Reply, Step
from benchmark.sweep.objective import Objective, Params
from benchmark.sweep.resuming import Part, retry_dead, taking_part
from benchmark.sweep.space import Space, point_key
from benchmark.sweep.storage import locked
from benchmark.sweep.trials import FINISHED, is_counted, params_of
from benchmark.sweep.workers import Workers
from benchmark.tracking.patience import StoreAway
from registry.errors import UserError, one_line

BEGUN_AGAIN = 2
"""How often a trial is measured again whose process has died."""


@dataclass(kw_only=True)
class _Going:
    """A trial that is being measured, or waits for the worker that knows its trees."""

    trial: Trial
    params: Params
    key: str
    value: float = 0.0
    notes: dict[str, Any] = field(default_factory=lambda: {"work": 0, "seconds": 0.0})
    deaths: int = 0

    def add(self, done: Step | End) -> None:
        """Note what it took."""
        self.notes["work"] += done.work
        self.notes["seconds"] += done.seconds


@dataclass(kw_only=True)
class Search:
    """One process's part in a study.

    Attributes:
        study: The Optuna study, shared with other processes.
        space: What it varies.
        objective: What its trials measure.
        budget: How, and how long.
        workers: Who measures them.
        lock: File by which processes of this machine take turns in putting points in line.
    """

    study: Study
    space: Space
    objective: Objective
    budget: Budget
    workers: Workers
    lock: Path
    _known: dict[str, dict[int, tuple[float, int]]] = field(default_factory=dict)
    _pruned: dict[str, FrozenTrial] = field(default_factory=dict)
    _read: set[int] = field(default_factory=set)
    _busy: dict[int, _Going] = field(default_factory=dict)
    _waiting: list[_Going] = field(default_factory=list)
    _homes: dict[str, int] = field(default_factory=dict)

    def run(self) -> Iterator[FrozenTrial]:
        """Make trials until there are enough or the time is over.

        Yields:
            Each trial that this process has finished.

        Raises:
            UserError: No trial can be measured, or the storage is away for long.
        """
        self.study.pruner = make_pruner(self.budget.pruner, self.objective)
        end = None if self.budget.timeout is None else time.monotonic() + self.budget.timeout
        with taking_part(self.study) as part:
            with locked(self.lock):
                self._enqueue_points()
            while True:
                while self._has_room and (end is None or time.monotonic() < end):
                    if (trial := self._ask(part)) is None:
                        break
                    yield from self._begin(trial, part)
                if not self._busy:
                    return
                for worker, reply in self.workers.hear():
                    yield from self._take(worker, reply, part)

    @property
    def _has_room(self) -> bool:
        return len(self._busy) + len(self._waiting) < self.workers.size

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

    def _ask(self, part: Part) -> Trial | None:
        """Ask for a trial that is to be made; none if there are enough."""
        while True:
            retry_dead(self.study, part)
            if not self._is_open():
                return None
            trial = self.study.ask()
            part.sign(trial)
            if not (reason := self._clash(trial)):
                return trial
            trial.set_user_attr("discarded", reason)
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            part.leave(trial)

    def _is_open(self) -> bool:
        trials = self._trials()
        if self.budget.trials is not None and sum(map(is_counted, trials)) >= self.budget.trials:
            return False
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or self.budget.sampler != "grid"

    def _clash(self, trial: Trial) -> str:
        """Why a trial is not to be made: processes that ask at once may ask too much.

        Optuna keeps no count over processes; but it numbers trials, and the first ones stay.
        """
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

    def _begin(self, trial: Trial, part: Part) -> Iterator[FrozenTrial]:
        going = _Going(trial=trial, params={}, key="")
        try:
            self.study.sampler = make_sampler(self.budget.sampler, self.budget.seed, trial.number)
            going.params = self.space.suggest(trial)
            going.key = self.objective.key(going.params)
        except StoreAway:
            raise
        except Exception as error:  # it is the trial's result
            yield self._tell(going, part, TrialState.FAIL, error=one_line(error))
            return
        if fixed := {k: v for k, v in going.params.items() if k not in trial.params}:
            trial.set_user_attr("fixed", fixed)
        yield from self._hand_over(going, part)

    def _hand_over(self, going: _Going, part: Part) -> Iterator[FrozenTrial]:
        """Answer a trial from what is known, or have it measured by who has grown its trees."""
        key, size = going.key, self.objective.size(going.params)
        self._read_finished()
        if (known := self._known.get(key, {}).get(size)) is not None:
            going.value, going.notes["answered_by"] = known
            yield self._tell(going, part, TrialState.COMPLETE)
        elif again := self._pruned.get(point_key(going.params)):
            for step, value in again.intermediate_values.items():
                going.trial.report(value, step)
            going.notes |= {
                "answered_by": again.number,
                "reason": again.user_attrs["notes"]["reason"],
            }
            yield self._tell(going, part, TrialState.PRUNED)
        else:
            workers = range(self.workers.size)
            idle = [worker for worker in workers if worker not in self._busy]
            worker = self._homes.get(key)
            if worker not in workers:
                worker = idle[0] if idle else None
            if worker is None or worker in self._busy:
                self._waiting.append(going)
                return
            self._homes[key] = worker
            self._busy[worker] = going
            self.workers.ask(worker, going.params)

    def _take(self, worker: int, reply: Reply, part: Part) -> Iterator[FrozenTrial]:
        """Go on with a trial, or tell its result and what has waited for it."""
        going = self._busy[worker]
        match reply:
            case Step():
                going.add(reply)
                going.value = reply.value
                if not (stop := self._reason_to_stop(going, reply)):
                    self.workers.ask(worker, None)
                    return
                reply = End(pruned=stop)
            case Death() if going.deaths < BEGUN_AGAIN:
                going.deaths += 1
                self.workers.ask(worker, going.params)
                return
            case Death():
                reply = End(error=f"its process died {reply.cause}, {BEGUN_AGAIN + 1} times")
        if reply.hindered:
            raise UserError(reply.hindered)
        del self._busy[worker]
        going.add(reply)
        if reply.error:
            yield self._tell(going, part, TrialState.FAIL, error=reply.error)
        elif reply.pruned:
            going.notes["reason"] = reply.pruned
            yield self._tell(going, part, TrialState.PRUNED)
        else:
            yield self._tell(going, part, TrialState.COMPLETE)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            yield from self._hand_over(one, part)

    def _reason_to_stop(self, going: _Going, reached: Step) -> str:
        going.trial.report(reached.value, reached.step)
        size = self.objective.size(going.params)
        if reached.step < size and going.trial.should_prune():
            at = f"{reached.step} of {size} ({self.budget.pruner})"
            return f"accuracy {reached.value:.2%} at {at}"
        return ""

    def _tell(
        self, going: _Going, part: Part, state: TrialState, *, error: str = ""
    ) -> FrozenTrial:
        if error:
            going.trial.set_user_attr("error", error)
        going.trial.set_user_attr("notes", going.notes)
        value = going.value if state == TrialState.COMPLETE else None
        told = self.study.tell(going.trial, value, state, skip_if_finished=True)
        part.leave(going.trial)
        return told

    def _read_finished(self) -> None:
        """Learn what finished trials tell, of this process and of others."""
        for trial in self._trials():
            if trial.number in self._read or trial.state not in FINISHED:
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
