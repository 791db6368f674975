"""Turns requests for the next step of trials into replies, in whichever process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import optuna

from benchmark.sweep.objective import Measurement
from benchmark.sweep.space import Params
from benchmark.tracking.patience import StoreAway
from registry.errors import UserError, one_line


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
        hindered: Why neither this nor another trial can be measured, for the user.
        died: How its process died, in a few words; another stands ready.
    """

    step: int | None = None
    value: float = 0.0
    work: int = 0
    seconds: float = 0.0
    pruned: str = ""
    error: str = ""
    hindered: str = ""
    died: str = ""


class Measuring:
    """Measures one trial after the other."""

    def __init__(self, prepare: Callable[[], Measurement]) -> None:
        """Begin.

        Args:
            prepare: Reads in what is needed, when a trial is first asked for.
        """
        self._prepare = prepare
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
            reply = Reply(error=one_line(fault))
        work, seconds = measurement.work - work, time.perf_counter() - start
        return replace(reply, work=work, seconds=seconds)
