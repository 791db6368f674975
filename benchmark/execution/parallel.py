"""Executes a plan in several processes of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from multiprocessing.connection import wait

from benchmark.execution.executor import without_running
from benchmark.execution.listener import Listener
from benchmark.execution.workers import Worker
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.plan import Plan, RunSpec
from benchmark.tracking.claims import end_dead_runs
from benchmark.training.trainer import EpochResult


class ParallelExecutor:
    """See `benchmark.execution.executor.Executor`."""

    def __init__(self, jobs: int) -> None:
        """Prepare.

        Args:
            jobs: How many runs at once. Of networks on a GPU, which one fills, there is one at a
                time, with heads beside it.
        """
        self._jobs = jobs
        self._workers: list[Worker] = []

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Start each run as soon as those that it needs are complete."""
        outcomes: dict[str, Outcome] = {}
        waiting = list(plan)
        try:
            while len(outcomes) < len(plan):
                for spec in list(waiting):
                    if not (outcomes.keys() >= {*spec.needs} and self._has_room(spec, options)):
                        continue
                    waiting.remove(spec)
                    if outcome := without_running(spec, outcomes, options, force):
                        outcomes[spec.id] = outcome
                        yield outcome
                    else:
                        self._idle().begin(spec, options, force=force)
                        listener.started(spec)
                for outcome in self._hear(listener, options):
                    outcomes[outcome.spec.id] = outcome
                    yield outcome
        finally:
            self._end(options)

    @property
    def _running(self) -> list[RunSpec]:
        return [worker.spec for worker in self._workers if worker.spec is not None]

    def _has_room(self, spec: RunSpec, options: RunOptions) -> bool:
        running = self._running
        if len(running) >= self._jobs:
            return False
        is_head = spec.system.head is not None
        return is_head or options.device == "cpu" or all(one.system.head for one in running)

    def _idle(self) -> Worker:
        for worker in self._workers:
            if worker.spec is None:
                return worker
        self._workers.append(Worker())
        return self._workers[-1]

    def _hear(self, listener: Listener, options: RunOptions) -> Iterator[Outcome]:
        """Wait for messages, pass them on, and yield the outcomes among them."""
        busy = {worker.connection: worker for worker in self._workers if worker.spec is not None}
        for connection in wait(list(busy)) if busy else ():
            worker = busy[connection]  # type: ignore[index]
            spec = worker.spec
            assert spec is not None
            match worker.receive():
                case EpochResult() as result:
                    listener.epoch(spec, result)
                case logging.LogRecord() as record:
                    logging.getLogger(record.name).handle(record)
                case Outcome() as outcome:
                    yield outcome
                case None:
                    self._workers.remove(worker)
                    end_dead_runs(open_tracker(options.store))
                    reason = (
                        f"its process died {worker.cause_of_death}, perhaps for lack of memory; "
                        "use fewer --jobs"
                    )
                    yield Outcome(spec=spec, status="failed", reason=reason)

    def _end(self, options: RunOptions) -> None:
        interrupted = self._running
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.end()
        if interrupted:  # one that had to be forced could not mark its run
            end_dead_runs(open_tracker(options.store))
