"""What a run tells while it goes on, to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.runs.options import Outcome
    from benchmark.study.plan import RunSpec
    from benchmark.training.epochs import EpochResult


class Listener:
    """Is told what happens while a plan is executed; what is not overridden is let pass."""

    def started(self, spec: RunSpec) -> None:
        """A run begins."""

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        """A run has finished an epoch."""

    def ended(self, outcome: Outcome) -> None:
        """A run has ended, or needs none."""
