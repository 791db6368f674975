"""Turns the trials of a sweep into lines on a terminal, or plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Self

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.text import Text

from benchmark.sweep.resuming import at_work, with_heartbeats
from benchmark.sweep.run import Sweep, SweepResult
from benchmark.sweep.space import describe
from benchmark.sweep.status import goal, seconds_left
from benchmark.sweep.trials import best_trial, is_finished, params_of
from benchmark.terminal.console import line
from benchmark.terminal.live_lines import LiveLines, meter
from benchmark.terminal.numbers import duration


class SweepDisplay(LiveLines):
    """Shows trials done, the best so far with its parameters, and the time left."""

    def __init__(self, console: Console, sweep: Sweep, place: str) -> None:
        """Begin; use it in a ``with`` statement.

        Args:
            console: Where to; a live line if it is a terminal.
            sweep: What is made.
            place: Which sweep of how many.
        """
        super().__init__(console)
        self._sweep = sweep
        self._place = place
        self._end = (
            None if sweep.budget.timeout is None else (time.monotonic() + sweep.budget.timeout)
        )
        self._reached = line(place)

    def lines(self) -> list[Text]:
        """See `LiveLines`."""
        return [self._reached]

    def __enter__(self) -> Self:
        self._print(f"{self._place}: ", (self._sweep.name, "bold"))
        return super().__enter__()

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """Tell a trial's result, the best so far and the time left."""
        trials = study.get_trials(deepcopy=False)
        done, planned = sum(map(is_finished, trials)), goal(study)
        best = best_trial(trials)
        so_far = f"best {best.value:.2%}" if best else "none yet"
        by = describe(params_of(best)) if best else ""
        left = self._left(trials, planned)
        reached = f"{done}/{planned or '?'}, {so_far}, {left}"
        self._reached = line(
            f"{self._place}  ", *meter(done, planned or 0), f" {reached}", f"  {by}"
        )
        place = "" if self._console.is_interactive else f"  ({reached})"
        params = f"  {describe(params_of(trial))}{place}"
        self._print(f"  trial {trial.number}: ", *_result(trial), params)

    def result(self, result: SweepResult) -> None:
        """Tell what a study came to."""
        if result.best is None or result.best.value is None:
            none = ("no trial is complete", "yellow")
            self._print("  ", none, "; bench sweep --status tells more")
            return
        value = result.best.value
        gain = ""
        if result.start_accuracy is not None:
            points = 100 * (value - result.start_accuracy)
            start = f"{self._sweep.target.start_title} {result.start_accuracy:.2%}"
            gain = f" ({start}, gain {points:+.2f} points)"
        best = (f"{value:.2%}", "bold")
        self._print("  best val accuracy ", best, f"{gain}: {describe(params_of(result.best))}")
        if result.row is None:
            hosts = sorted({name.host for name in at_work(result.study) if not name.is_here})
            place = f" on {', '.join(hosts)}" if hosts else ""
            self._print(f"  another process{place} goes on with this study and will score its best")
            if hosts and not with_heartbeats(result.study):
                self._print("  if it is dead there, type another --storage FILE, or leave it out")
        elif result.row.status == "completed":
            self._print("  its test accuracy: ", (f"{result.row.test_accuracy:.2%}", "bold"))
            for other in result.repeats:
                self._print(f"  {other}")
        else:
            missing = ("its test accuracy is missing", "red")
            self._print("  ", missing, f": {result.row.reason}")

    def _left(self, trials: list[FrozenTrial], planned: int | None) -> str:
        guesses = [seconds_left(trials, planned)]
        if self._end is not None:
            guesses.append(max(self._end - time.monotonic(), 0.0))
        known = [guess for guess in guesses if guess is not None]
        return f"about {duration(min(known))} left" if known else ""

    def _print(self, *parts: str | tuple[str, str]) -> None:
        self._console.print(line(*parts), highlight=False, soft_wrap=True)


def _result(trial: FrozenTrial) -> list[str | tuple[str, str]]:
    notes = trial.user_attrs.get("notes", {})
    if trial.state == TrialState.FAIL:
        return [("failed", "red"), f": {trial.user_attrs.get('error', '')}"]
    if trial.state == TrialState.PRUNED:
        return [("pruned", "dim"), f", {notes.get('reason', '')}"]
    took = duration(notes.get("seconds", 0.0))
    source = notes.get("answered_by")
    how = took if source is None else f"known from trial {source}"
    return [(f"{trial.value:.2%}", "green"), f", {how}"]
