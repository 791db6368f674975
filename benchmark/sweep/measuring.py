"""Turns an objective and requests for its next step into replies, in whichever process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import optuna

from benchmark.sweep.objective import Measurement, Objective
from benchmark.sweep.space import Params
from benchmark.tracking.patience import StoreAway
from registry.errors import UserError, one_line


@dataclass(frozen=True, kw_only=True)
class Step:
    """A trial has come a step further.

    Attributes:
        step: How far.
        value: Validation accuracy there.
        work: How much was done for it.
        seconds: How long that took.
    """

    step: int
    value: float
    work: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class End:
    """A trial has ended: with its last step's value, unless something else is told.

    Attributes:
        work: How much was done since that step.
        seconds: How long that took.
        pruned: Why there is no use in going on.
        error: What went wrong in the trial.
        hindered: Why neither this nor another trial can be measured, for the user.
    """

    work: int = 0
    seconds: float = 0.0
    pruned: str = ""
    error: str = ""
    hindered: str = ""


@dataclass(frozen=True, kw_only=True)
class Death:
    """The process that measured a trial has died; another stands ready.

    Attributes:
        cause: In a few words.
    """

    cause: str


Reply = Step | End | Death


class Measuring:
    """Measures one trial after the other."""

    def __init__(self, objective: Objective) -> None:
        """Begin; what the objective needs is read in when it is first asked.

        Args:
            objective: Whose trials.
        """
        self._objective = objective
        self._measurement: Measurement | None = None
        self._steps: Iterator[tuple[int, float]] = iter(())

    def answer(self, params: Params | None) -> Step | End:
        """Go a step further.

        Args:
            params: Of a trial to begin with; None to go on with the last one.
        """
        try:
            if self._measurement is None:
                self._measurement = self._objective.prepare()
        except UserError as lack:
            return End(hindered=str(lack))
        work, start = self._measurement.work, time.perf_counter()
        pruned = error = hindered = ""
        reached = None
        try:
            if params is not None:
                self._steps = self._measurement.measure(params)
            reached = next(self._steps, None)
        except optuna.TrialPruned as stop:
            pruned = str(stop)
        except StoreAway as away:
            hindered = str(away)
        except Exception as fault:  # it is the trial's result
            error = one_line(fault)
        work, seconds = self._measurement.work - work, time.perf_counter() - start
        if reached is not None:
            return Step(step=reached[0], value=reached[1], work=work, seconds=seconds)
        return End(work=work, seconds=seconds, pruned=pruned, error=error, hindered=hindered)
