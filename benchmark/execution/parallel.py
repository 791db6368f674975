"""Executes a plan in several processes of this machine."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from multiprocessing.connection import wait

from benchmark.execution.executor import timed_out
from benchmark.execution.graph import execute_by_need
from benchmark.execution.listener import Listener
from benchmark.execution.workers import Worker
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import open_tracker
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
        processes = _Processes(self._jobs, options, listener, force=force)
        try:
            yield from execute_by_need(plan, options, processes, force=force)
        finally:
            processes.end()


class _Processes:
    """See `benchmark.execution.graph.Pool`."""

    def __init__(self, jobs: int, options: RunOptions, listener: Listener, *, force: bool) -> None:
        self._jobs = jobs
        self._options = options
        self._listener = listener
        self._force = force
        self._workers: list[Worker] = []

    def has_room(self, spec: RunSpec) -> bool:
        """See `Pool`."""
        running = self._running
        if len(running) >= self._jobs:
            return False
        is_head = spec.system.head is not None
        return is_head or self._options.device == "cpu" or all(one.system.head for one in running)

    def begin(self, spec: RunSpec) -> None:
        """See `Pool`."""
        self._idle().begin(spec, self._options, force=self._force)
        self._listener.started(spec)

    def hear(self) -> Iterator[Outcome]:
        """See `Pool`; messages other than outcomes are passed on."""
        busy = {worker.connection: worker for worker in self._workers if worker.spec is not None}
        for connection in wait(list(busy), self._seconds_left()) if busy else ():
            worker = busy[connection]  # type: ignore[index]
            spec = worker.spec
            assert spec is not None
            match worker.receive():
                case EpochResult() as result:
                    self._listener.epoch(spec, result)
                case logging.LogRecord() as record:
                    logging.getLogger(record.name).handle(record)
                case Outcome() as outcome:
                    yield outcome
                case None:
                    self._workers.remove(worker)
                    end_dead_runs(open_tracker(self._options.store))
                    reason = (
                        f"its process died {worker.cause_of_death}, perhaps for lack of memory; "
                        "use fewer --jobs"
                    )
                    yield Outcome(spec=spec, status="failed", reason=reason)

        for worker in list(self._workers):
            if worker.spec is not None and self._left(worker) <= 0:
                yield self._stop(worker, worker.spec)

    def _seconds_left(self) -> float | None:
        """Until the first run has taken too long."""
        left = [self._left(worker) for worker in self._workers if worker.spec is not None]
        return None if self._options.timeout is None else max(0.0, min(left))

    def _left(self, worker: Worker) -> float:
        timeout = self._options.timeout
        return math.inf if timeout is None else worker.began + timeout - time.monotonic()

    def _stop(self, worker: Worker, spec: RunSpec) -> Outcome:
        """End a process with its run."""
        self._workers.remove(worker)
        worker.ask_to_end()
        worker.end()
        return timed_out(spec, self._options)

    def end(self) -> None:
        """End all processes, and mark what they were making as killed."""
        interrupted = self._running
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.end()
        if interrupted:  # one that had to be forced could not mark its run
            end_dead_runs(open_tracker(self._options.store))

    @property
    def _running(self) -> list[RunSpec]:
        return [worker.spec for worker in self._workers if worker.spec is not None]

    def _idle(self) -> Worker:
        for worker in self._workers:
            if worker.spec is None:
                return worker
        self._workers.append(Worker())
        return self._workers[-1]
