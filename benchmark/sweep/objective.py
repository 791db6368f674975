"""What a sweep asks of that which it varies: accuracies for parameters, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec

Params = dict[str, Any]


class Measurement(Protocol):
    """Answers trials, in the process that it was prepared in."""

    @property
    def work(self) -> int:
        """How much it has done."""
        ...

    def measure(self, params: Params) -> Iterator[tuple[int, float]]:
        """Work towards the size.

        Yields:
            Steps and validation accuracies; the last is the answer.

        Raises:
            TrialPruned: There is no use in going on.
        """
        ...


class Objective(Protocol):
    """Plain values that say what trials measure; those with the same key differ in size alone."""

    @property
    def unit(self) -> str:
        """What is counted as work, as the name of a metric."""
        ...

    @property
    def spec(self) -> RunSpec:
        """A run such as it measures."""
        ...

    @property
    def options(self) -> RunOptions:
        """How they are made."""
        ...

    @property
    def warmup(self) -> int:
        """No trial is pruned before this step."""
        ...

    @property
    def last_step(self) -> int | Literal["auto"]:
        """The largest size that a trial can have; ``auto`` if it is not known."""
        ...

    def key(self, params: Params) -> str:
        """Name what is grown or trained."""
        ...

    def size(self, params: Params) -> int:
        """The step at which these parameters are answered."""
        ...

    def prepare(self) -> Measurement:
        """Read in what is needed to answer trials.

        Raises:
            UserError: The weights to start from cannot be had.
        """
        ...
