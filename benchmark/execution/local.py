"""Executes a plan in this process, one run after the other."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.execution.executor import without_running
from benchmark.execution.listener import Listener
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import run_one
from benchmark.study.plan import Plan


class LocalExecutor:
    """See `benchmark.execution.executor.Executor`."""

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Reuse what is complete, skip what lacks something, run the rest."""
        outcomes: dict[str, Outcome] = {}
        for spec in plan:
            outcome = without_running(spec, outcomes, options, force)
            if outcome is None:
                listener.started(spec)
                outcome = run_one(spec, options, listener.epoch, force=force)
            outcomes[spec.id] = outcome
            yield outcome
