"""Turns a plan into outcomes; an executor is chosen by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from benchmark.execution.listener import Listener
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import find_run, open_tracker, remove_checkpoint
from benchmark.study.plan import Plan, RunSpec
from benchmark.tracking.claims import fail_run
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker

GRACE_SECONDS = 10.0
"""How long a process may take to mark its run as killed before it is ended without."""


class Executor(Protocol):
    """Executes plans."""

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Execute a plan, yielding an outcome for each of its runs.

        Args:
            plan: The runs.
            options: How they are made.
            listener: Is told of starts and epochs.
            force: Whether to repeat runs that are complete.
        """
        ...


def without_running(
    spec: RunSpec, outcomes: dict[str, Outcome], options: RunOptions, force: bool
) -> Outcome | None:
    """Skip a run that lacks something, or take one that is complete; None if it is to be made."""
    for need in spec.needs:
        needed = outcomes[need]
        if needed.status != "completed":
            reason = f"needs {needed.spec.label}, which {_WAS[needed.status]}"
            return Outcome(spec=spec, status="skipped", reason=reason)
    try:
        if not force and (run_id := find_run(spec, options)):
            remove_checkpoint(spec, options)
            return Outcome(spec=spec, status="completed", run_id=run_id, reused=True)
    except StoreAway as error:
        return Outcome(spec=spec, status="failed", reason=str(error))
    return None


def timed_out(spec: RunSpec, options: RunOptions) -> Outcome:
    """The outcome of a run whose process was ended for taking too long; see `failed`."""
    reason = f"it took longer than {options.timeout:g} s (--timeout), and was ended"
    return failed(spec, options, reason)


def failed(spec: RunSpec, options: RunOptions, reason: str) -> Outcome:
    """The outcome of a run whose process could not tell why it ended, which is put on record."""
    with marking(options.store) as tracker:
        fail_run(tracker, options.driver, spec.id, reason)
    return Outcome(spec=spec, status="failed", reason=reason)


@contextmanager
def marking(store: Store) -> Iterator[Tracker]:
    """Lend what marks runs that have ended without saying so; a store that is away is not awaited.

    Others go on meanwhile, and the next start marks what is left.
    """
    tracker = open_tracker(store)
    with suppress(StoreAway), tracker.patience.suspended():
        yield tracker


_WAS = {"failed": "failed", "skipped": "was skipped", "unsent": "is not in the store yet"}
