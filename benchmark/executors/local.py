"""Executes a plan in this process, one run after the other."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.executors import Listener, without_running
from benchmark.options import Outcome, RunOptions
from benchmark.plan import Plan
from benchmark.runner import run_one


class LocalExecutor:
    """See `benchmark.executors.Executor`."""

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Reuse what is complete, skip what lacks something, run the rest."""
        outcomes: dict[str, Outcome] = {}
        for spec in plan:
            outcome = without_running(spec, outcomes, options, force)
            if outcome is None:
                listener.started(spec)
                outcome = run_one(spec, options, listener.epoch)
            outcomes[spec.id] = outcome
            yield outcome
