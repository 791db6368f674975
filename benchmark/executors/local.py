"""Executes a plan in this process, one run after the other."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.executors import Listener
from benchmark.options import Outcome, RunOptions
from benchmark.plan import Plan, RunSpec
from benchmark.runner import find_run, run_one


class LocalExecutor:
    """See `benchmark.executors.Executor`."""

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Reuse what is complete, skip what lacks something, run the rest."""
        outcomes: dict[str, Outcome] = {}
        for spec in plan:
            outcome = _without_running(spec, outcomes, options, force)
            if outcome is None:
                listener.started(spec)
                outcome = run_one(spec, options, listener.epoch)
            outcomes[spec.id] = outcome
            yield outcome


def _without_running(
    spec: RunSpec, outcomes: dict[str, Outcome], options: RunOptions, force: bool
) -> Outcome | None:
    for need in spec.needs:
        needed = outcomes[need]
        if needed.status != "completed":
            reason = f"needs {needed.spec.name}, which {_WAS[needed.status]}"
            return Outcome(spec=spec, status="skipped", reason=reason)
    if not force and find_run(spec, options):
        return Outcome(spec=spec, status="completed", reused=True)
    return None


_WAS = {"failed": "failed", "skipped": "was skipped"}
