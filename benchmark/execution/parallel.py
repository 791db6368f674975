"""Executes a plan in several processes of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection

from benchmark.execution.executor import failed, marking, timed_out
from benchmark.execution.graph import execute_by_need
from benchmark.execution.listener import Listener
from benchmark.execution.remote import STARTED
from benchmark.execution.workers import Lost, Processes, at_work
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import run_one
from benchmark.study.plan import Plan, RunSpec
from benchmark.tracking.claims import end_dead_runs
from benchmark.training.epochs import EpochResult


class ParallelExecutor:
    """See `benchmark.execution.executor.Executor`."""

    def __init__(self, jobs: int) -> None:
        """Prepare.

        Args:
            jobs: How many runs at once. Of networks on a GPU, which one fills, there is one at a
                time, with heads beside it.
        """
        self._jobs = jobs

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Start each run as soon as those that it needs are complete."""
        runs = _Runs(self._jobs, options, listener, force=force)
        try:
            yield from execute_by_need(plan, options, runs, force=force)
        finally:
            runs.end()


class _Runs:
    """See `benchmark.execution.graph.Pool`."""

    def __init__(self, jobs: int, options: RunOptions, listener: Listener, *, force: bool) -> None:
        self._options = options
        self._listener = listener
        self._force = force
        self._workers = Processes(_make_runs, jobs)
        self._running: dict[int, tuple[RunSpec, float]] = {}
        """By worker: what it makes, and since when, on the monotonic clock; inf: not yet."""

    def has_room(self, spec: RunSpec) -> bool:
        """See `Pool`."""
        if len(self._running) >= self._workers.size:
            return False
        is_head = spec.system.head is not None
        beside = (one.system.head for one, _ in self._running.values())
        return is_head or self._options.device == "cpu" or all(beside)

    def begin(self, spec: RunSpec) -> None:
        """See `Pool`."""
        worker = next(one for one in range(self._workers.size) if one not in self._running)
        self._workers.ask(worker, (spec, self._options, self._force))
        self._running[worker] = spec, math.inf
        self._listener.started(spec)

    def hear(self) -> Iterator[Outcome]:
        """See `Pool`; messages other than outcomes are passed on."""
        for worker, message in self._workers.hear(self._seconds_left()) if self._running else ():
            if worker not in self._running:
                continue
            spec, _ = self._running[worker]
            match message:
                case _ if message == STARTED:
                    self._running[worker] = spec, time.monotonic()
                case EpochResult() as result:
                    self._listener.epoch(spec, result)
                case Outcome() as outcome:
                    del self._running[worker]
                    yield outcome
                case Lost(reason=reason):
                    del self._running[worker]
                    advice = "; use fewer --jobs" if self._workers.size > 1 else ""
                    reason = f"{reason}, perhaps for lack of memory{advice}"
                    yield failed(spec, self._options, reason)

        for worker, (spec, began) in list(self._running.items()):
            if self._left(began) <= 0:
                del self._running[worker]
                self._workers.end([worker])
                yield timed_out(spec, self._options)

    def _seconds_left(self) -> float | None:
        """Until the first run has taken too long."""
        left = [self._left(began) for _, began in self._running.values()]
        return None if self._options.timeout is None else max(0.0, min(left))

    def _left(self, began: float) -> float:
        timeout = self._options.timeout
        return math.inf if timeout is None else began + timeout - time.monotonic()

    def end(self) -> None:
        """End all processes, and mark what they were making as killed."""
        self._workers.end()
        if self._running:  # one that had to be forced could not mark its run
            with marking(self._options.store) as tracker:
                end_dead_runs(tracker)


def _make_runs(connection: Connection) -> None:
    """Make the runs that come, until none comes any more."""
    with at_work(connection):
        while True:
            spec, options, force = connection.recv()
            report = lambda spec, result: connection.send(result)  # noqa: E731
            started = partial(connection.send, STARTED)
            connection.send(run_one(spec, options, report, force=force, started=started))
