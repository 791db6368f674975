"""What a sweep asks of that which it varies: accuracies for parameters, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

Params = dict[str, Any]


class Objective(Protocol):
    """Answers trials; those with the same key are one thing at different sizes.

    Attributes:
        unit: What is counted as work, as the name of a metric.
        warmup: No trial is pruned before this step.
        last_step: The largest size that a trial can have; ``auto`` if it is not known.
    """

    unit: str
    warmup: int
    last_step: int | Literal["auto"]

    @property
    def work(self) -> int:
        """How much has been done."""
        ...

    def key(self, params: Params) -> str:
        """Name what is grown or trained."""
        ...

    def size(self, params: Params) -> int:
        """The step at which these parameters are answered."""
        ...

    def measure(self, params: Params) -> Iterator[tuple[int, float]]:
        """Work towards the size.

        Yields:
            Steps and validation accuracies; the last is the answer.
        """
        ...
