"""Turns a trial's parameters into validation accuracies, step by step, of whatever can be swept."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import optuna
import torch

from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec
from benchmark.sweep.space import Grid, Params, SettingSpace
from benchmark.tracking.patience import StoreAway, causes
from registry.errors import UserError, of_the_machine, one_line
from registry.search_space import SearchSpace

_NO_MEMORY = ("out of memory", "allocate memory", "bad_alloc", "ALLOC_FAILED")
"""What is said of it by errors of no kind of their own, as PyTorch's and XGBoost's are."""


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error tells what a machine lacked, such as memory, and nothing of a trial."""
    return of_the_machine(error) is not None or any(
        isinstance(one, MemoryError | torch.OutOfMemoryError)
        or any(words in str(one) for words in _NO_MEMORY)
        for one in causes(error)
    )


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


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """What can be swept: a head on a backbone's embeddings, or a network.

    Attributes:
        base: The run that it builds on: the backbone, or the network as it is.
        head: Name of the head; None for a network.
        trials: How many are made if the user does not say.
        unit: What is counted as their work, as the name of a metric.
        param_prefix: Of its parameters' names in MLflow.
        start_title: What its starting points are, for people.
    """

    base: RunSpec
    head: str | None = None
    trials: ClassVar[int]
    unit: ClassVar[str]
    param_prefix: ClassVar[str]
    start_title: ClassVar[str]

    @property
    def name(self) -> str:
        """Such as ``resnet18-staged`` or ``resnet18-frozen/extra_trees``."""
        return self.base.name if self.head is None else f"{self.base.name}/{self.head}"

    @property
    @abstractmethod
    def search_space(self) -> SearchSpace:
        """What is varied.

        Raises:
            UserError: It has none.
        """

    @property
    @abstractmethod
    def start_points(self) -> list[Params]:
        """What the sweep is compared with, and begins with unless its space leaves them out."""

    @property
    @abstractmethod
    def warmup(self) -> int:
        """No trial is pruned before this step."""

    @property
    @abstractmethod
    def last_step(self) -> int | None:
        """The size of all its trials; None if the space says how large they are."""

    @abstractmethod
    def spec(self, params: Mapping[str, Any]) -> RunSpec:
        """The run with these parameters.

        Raises:
            UserError: A parameter does not take its value.
        """

    @abstractmethod
    def grid(self, axes: Sequence[str]) -> Grid:
        """Read a full factorial, such as ``max_depth=4,8,none``.

        Raises:
            UserError: It has no such setting, or an axis cannot be read.
        """

    def space(self, only: Sequence[str] = ()) -> SettingSpace:
        """Its search space, or some settings of it.

        Raises:
            UserError: It has no search space, or no such setting.
        """
        return SettingSpace(
            name=self.head or self.name,
            space=self.search_space,
            grid=tuple(self.start_points),
            only=tuple(only),
        )

    @abstractmethod
    def key(self, params: Params) -> str:
        """Name what is grown or trained: the same for parameters that differ in size alone."""

    @abstractmethod
    def size(self, params: Params) -> int:
        """The step at which these parameters are answered."""

    @abstractmethod
    def measurement(self, objective: Objective) -> Measurement:
        """Read in what is needed to answer trials.

        Raises:
            UserError: The weights to start from cannot be had.
        """


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What trials measure, in plain values; see `benchmark.execution.workers.Service`.

    Attributes:
        target: What they vary.
        options: How runs are made.
        sizes: Where accuracies are reported: in a grid, the sizes of its cells, to answer them;
            none for wherever they come along.
        at_once: Whether to grow to the size in one fit, since no trial is pruned on the way: each
            step costs a fit's preparation.
    """

    target: Target
    options: RunOptions
    sizes: tuple[int, ...] = ()
    at_once: bool = False

    @property
    def spec(self) -> RunSpec:
        """See `Service`."""
        return self.target.spec({})

    def answering(self, settle: Callable[[], RunOptions]) -> Callable[[Params | None], Reply]:
        """See `Service`; the answers are those of `Measuring`."""
        return Measuring(self, settle).answer


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How far a trial has come.

    Attributes:
        step: The step that it has reached; None: it has ended, with its last step's value.
        value: Validation accuracy there.
        work: How much was done for it.
        seconds: How long that took.
        pruned: Why there was no use in going on.
        error: What went wrong in the trial.
        again: Whether that was its machine's fault, so that the trial is to be made again.
        hindered: Why neither this nor another trial can be measured, for the user.
    """

    step: int | None = None
    value: float = 0.0
    work: int = 0
    seconds: float = 0.0
    pruned: str = ""
    error: str = ""
    again: bool = False
    hindered: str = ""


class Measuring:
    """Measures one trial after the other, step by step, in whichever process."""

    def __init__(self, objective: Objective, settle: Callable[[], RunOptions]) -> None:
        """Begin; what is needed is read in when a trial is first asked for.

        Args:
            objective: What is measured.
            settle: See `benchmark.execution.workers.Service`.
        """
        self._objective = objective
        self._settle = settle
        self._measurement: Measurement | None = None
        self._steps: Iterator[tuple[int, float]] = iter(())

    def answer(self, params: Params | None) -> Reply:
        """Go a step further.

        Args:
            params: Of a trial to begin with; None to go on with the last one.
        """
        try:
            self._measurement = measurement = self._measurement or self._prepare()
        except UserError as lack:
            return Reply(hindered=str(lack))
        work, start = measurement.work, time.perf_counter()
        reply = Reply()
        try:
            if params is not None:
                self._steps = measurement.measure(params)
            if reached := next(self._steps, None):
                reply = Reply(step=reached[0], value=reached[1])
        except optuna.TrialPruned as stop:
            reply = Reply(pruned=str(stop))
        except StoreAway as away:
            reply = Reply(hindered=str(away))
        except Exception as fault:  # it is the trial's result
            told = of_the_machine(fault) or fault
            reply = Reply(error=one_line(told), again=is_of_the_machine(fault))
        work, seconds = measurement.work - work, time.perf_counter() - start
        return replace(reply, work=work, seconds=seconds)

    def _prepare(self) -> Measurement:
        objective = replace(self._objective, options=self._settle())
        torch.set_num_threads(objective.options.threads)
        return objective.target.measurement(objective)
