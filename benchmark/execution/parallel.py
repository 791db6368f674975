"""Executes a plan in several processes of this machine, each with its share of the threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from queue import Empty
from typing import TYPE_CHECKING

import torch

from benchmark.execution.executor import Listener, without_running
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import run_one
from benchmark.study.plan import Plan, RunSpec
from benchmark.tracking.store import load_environment
from benchmark.training.trainer import EpochResult

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

POLL_SECONDS = 0.2
Event = tuple[RunSpec, EpochResult | None]
"""A run that begins, or one that has finished an epoch."""
_events: Queue[Event] | None = None
"""Of a worker: where it tells what happens."""


class ParallelExecutor:
    """See `benchmark.execution.executor.Executor`."""

    def __init__(self, jobs: int) -> None:
        """Prepare.

        Args:
            jobs: How many runs at once. Of networks on a GPU, which one fills, there is one at a
                time, with heads beside it.
        """
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")  # a fork would break threads and CUDA
        self._events: Queue[Event] = self._context.Queue()

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Start each run as soon as those that it needs are complete."""
        outcomes: dict[str, Outcome] = {}
        waiting = list(plan)
        running: dict[Future[Outcome], RunSpec] = {}
        pool = self._pool(options.threads)
        try:
            while waiting or running:
                for spec in [one for one in waiting if outcomes.keys() >= set(one.needs)]:
                    if outcome := without_running(spec, outcomes, options, force):
                        waiting.remove(spec)
                        outcomes[spec.id] = outcome
                        yield outcome
                    elif self._has_room(spec, list(running.values()), options):
                        waiting.remove(spec)
                        running[pool.submit(_work, spec, options)] = spec
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                self._tell(listener)
                for future in done:
                    spec = running.pop(future)
                    outcomes[spec.id] = _outcome(spec, future)
                    yield outcomes[spec.id]
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    pool.shutdown()
                    pool = self._pool(options.threads)
        finally:
            pool.shutdown(cancel_futures=True)

    def _pool(self, threads: int) -> ProcessPoolExecutor:
        start = _start_worker, (self._events, threads)
        return ProcessPoolExecutor(self._jobs, self._context, *start)

    def _has_room(self, spec: RunSpec, running: list[RunSpec], options: RunOptions) -> bool:
        if len(running) >= self._jobs:
            return False
        is_head = spec.system.head is not None
        return is_head or options.device == "cpu" or all(one.system.head for one in running)

    def _tell(self, listener: Listener) -> None:
        while True:
            try:
                spec, result = self._events.get_nowait()
            except Empty:
                return
            if result is None:
                listener.started(spec)
            else:
                listener.epoch(spec, result)


def _start_worker(events: Queue[Event], threads: int) -> None:
    global _events
    _events = events
    torch.set_num_threads(threads)
    load_environment()


def _work(spec: RunSpec, options: RunOptions) -> Outcome:
    assert _events is not None
    _events.put((spec, None))
    return run_one(spec, options, lambda spec, result: _events.put((spec, result)))


def _outcome(spec: RunSpec, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        reason = (
            "a process died beside it or under it, perhaps for lack of memory; use fewer --jobs"
        )
        return Outcome(spec=spec, status="failed", reason=reason)
