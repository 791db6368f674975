"""Turns a plan into outcomes by handing each run to a pool as soon as what it needs is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from benchmark.execution.executor import without_running
from benchmark.runs.options import Outcome, RunOptions
from benchmark.study.plan import Plan, RunSpec


class Pool(Protocol):
    """Makes several runs at once."""

    def has_room(self, spec: RunSpec) -> bool:
        """Whether a run may be handed over now."""
        ...

    def begin(self, spec: RunSpec) -> None:
        """Take a run over; there is room for it."""
        ...

    def hear(self) -> Iterator[Outcome]:
        """Wait until something happens, and yield the runs that have ended."""
        ...


def execute_by_need(
    plan: Plan, options: RunOptions, pool: Pool, *, force: bool
) -> Iterator[Outcome]:
    """Execute a plan in a pool; see `benchmark.execution.executor.Executor`."""
    outcomes: dict[str, Outcome] = {}
    waiting = list(plan)
    while len(outcomes) < len(plan):
        for spec in list(waiting):
            if not (outcomes.keys() >= {*spec.needs} and pool.has_room(spec)):
                continue
            waiting.remove(spec)
            if outcome := without_running(spec, outcomes, options, force):
                outcomes[spec.id] = outcome
                yield outcome
            else:
                pool.begin(spec)
        for outcome in pool.hear():
            outcomes[outcome.spec.id] = outcome
            yield outcome
