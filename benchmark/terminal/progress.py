"""Turns plans, progress and outcomes into lines on a terminal, or plain lines elsewhere."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from benchmark.execution.forecast import Forecast
from benchmark.execution.listener import Listener
from benchmark.terminal.console import line, print_lines
from benchmark.terminal.live_lines import LiveLines, meter
from benchmark.terminal.numbers import duration, sparkline

if TYPE_CHECKING:
    from benchmark.ranking.contexts import Context
    from benchmark.runs.options import Outcome
    from benchmark.study.plan import Plan, RunSpec
    from benchmark.training.epochs import EpochResult

_OTHERS = 5
"""So many other sets of runs are told one by one."""
_FEW = 8
"""So many runs are named to be typed."""


@contextmanager
def preparing(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show how many images are drawn, hashed, looked at, decoded."""
    with Progress(
        TextColumn("preparing images"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        console=console,
        disable=not console.is_interactive,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_end(console: Console, outcomes: list[Outcome], seconds: float) -> None:
    """Count the outcomes, and say what the explanations took of all seconds and where to look."""
    tally = Counter(
        "complete from before" if outcome.reused else outcome.status for outcome in outcomes
    )
    told = ", ".join(f"{number} {status}" for status, number in tally.items())
    print_lines(console, line(f"{told}. Pictures and figures: bench ui"))
    if explaining := sum(outcome.explain_seconds for outcome in outcomes):
        took = f"{duration(explaining)} of {duration(seconds)}"
        print_lines(console, line(f"Explanations took {took} (--no-explain does without)"))
    if tally["failed"]:
        print_lines(
            console,
            line("bench ls runs lists the reasons; tracebacks, where there are any, are in MLflow"),
        )


def print_left(console: Console, plan: Plan, outcomes: list[Outcome]) -> None:
    """Say what makes the runs that a command with --force has left, if it has made some."""
    made = {one.spec.id for one in outcomes if one.status in ("completed", "unsent")}
    left = [spec for spec in plan if spec.id not in made]
    if not left or not made:
        return
    told = f"With --force, the same command makes all {len(plan)} runs again"
    names = dict.fromkeys(spec.name for spec in left if not spec.pretraining)
    if len(names) <= _FEW:
        command = shlex.join(["bench", "run", *names, "--force"])
        told += f"; what is left, and what that needs, with the same options: {command}"
    print_lines(console, line(told))


def print_other_contexts(
    console: Console, others: list[Context], command: str = "leaderboard"
) -> None:
    """Say what else is in the store, and what shows it; what an older bench made, in one line."""
    if older := [context for context in others if context.is_older]:
        runs = sum(context.count for context in older)
        sets = "set" if len(older) == 1 else "sets"
        told = f"not shown: {runs:,} runs in {len(older)} {sets} by an older bench, never compared "
        told += "with today's (bench leaderboard --context all)"
        print_lines(console, line(told, style="dim"))
    current = [context for context in others if not context.is_older]
    for context in current[:_OTHERS]:
        told = f"not shown: {context.title} (bench {command} --context {context.id[:8]})"
        print_lines(console, line(told, style="dim"))
    if (more := len(current) - _OTHERS) > 0:
        told = f"not shown: {more:,} more sets of runs (bench leaderboard --context all)"
        print_lines(console, line(told, style="dim"))


@dataclass(kw_only=True)
class _Running:
    """A run that goes on.

    Attributes:
        spec: The run.
        place: Which of how many.
        began: On the monotonic clock.
        ends: When it should end at the latest, on the same; None if that is not known.
        curve: Its validation accuracies so far.
        reached: How many epochs are done, of how many.
        figures: Losses and accuracies of the last epoch.
    """

    spec: RunSpec
    place: str
    began: float
    ends: float | None
    curve: list[float] = field(default_factory=list)
    reached: str = ""
    figures: str = ""

    @property
    def left(self) -> str:
        """How long it takes yet, in words."""
        if self.ends is None:
            return ""
        return f"at most {duration(max(0.0, self.ends - time.monotonic()))} left"


class ProgressDisplay(LiveLines, Listener):
    """Shows which run of how many, its epoch, loss, accuracy and the time left, also of all."""

    def __init__(
        self,
        console: Console,
        plan: Plan,
        forecast: Forecast | None = None,
        complete: Collection[str] = (),
    ) -> None:
        """Begin with nothing done; use it in a ``with`` statement.

        Args:
            console: Where to; live lines if it is a terminal.
            plan: What will be run.
            forecast: Expects how long runs take; it learns from those that end.
            complete: Ids of the runs that take no time.
        """
        super().__init__(console)
        self._total = len(plan)
        self._done = 0
        self._forecast = forecast or Forecast()
        self._waiting = {spec.id: spec for spec in plan if spec.id not in complete}
        self._waiting_seconds = self._forecast.total(self._waiting.values())
        self._began = time.monotonic()
        self._running: dict[str, _Running] = {}
        self._at_once = 0

    def lines(self) -> list[Text]:
        """See `LiveLines`: two lines a run, and one for all of them."""
        shown = []
        for run in list(self._running.values()):
            told = ", ".join(filter(None, (run.reached, run.left)))
            shown.append(line(f"{run.place}: ", (run.spec.label, "bold"), f"  {told}"))
            if run.figures:
                shown.append(line(f"  {run.figures}"))
        passed = duration(time.monotonic() - self._began)
        all_runs = f" {self._done} of {self._total} runs in {passed}{self._all_left()}"
        return [*shown, line(*meter(self._done, self._total), all_runs)]

    def started(self, spec: RunSpec) -> None:
        """Name the run that begins."""
        place = f"run {self._done + len(self._running) + 1} of {self._total}"
        self._waiting.pop(spec.id, None)
        self._waiting_seconds = self._forecast.total(self._waiting.values())
        now, expected = time.monotonic(), self._forecast.seconds(spec)
        ends = None if expected is None else now + expected
        self._running[spec.id] = _Running(spec=spec, place=place, began=now, ends=ends)
        self._at_once = max(self._at_once, len(self._running))
        if not self._console.is_interactive:
            print_lines(self._console, line(f"{place}: {spec.label}"))

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        """Tell an epoch's figures, and how long the training takes at most from here."""
        done, epochs = result.epoch, spec.train.epochs
        run, now = self._running[spec.id], time.monotonic()
        left = self._forecast.left(spec, result, now - run.began)
        run.ends = now + left + self._forecast.rest(spec)
        run.curve.append(result.val_accuracy)
        run.reached = f"epoch {done}/{epochs}"
        run.figures = (
            f"loss {result.train_loss:.3f}, val {result.val_loss:.3f}  "
            f"accuracy {result.train_accuracy:.1%}, val {result.val_accuracy:.1%}"
        )
        if not self._console.is_interactive:
            name = f"{spec.label}  " if len(self._running) > 1 else ""
            told = f"  {name}{run.reached}  {run.figures}  at most {duration(left)} left"
            print_lines(self._console, line(told))

    def ended(self, outcome: Outcome) -> None:
        """Tell how a run ended, in a line that stays."""
        self._done += 1
        curve: list[tuple[str, str]] = []
        took = 0.0
        self._waiting.pop(outcome.spec.id, None)
        if run := self._running.pop(outcome.spec.id, None):
            took = time.monotonic() - run.began
            if outcome.status == "completed" and not outcome.reused:
                epochs = len(run.curve) or None
                self._forecast.learn(outcome.spec, took, outcome.explain_seconds, epochs)
            if self._console.is_interactive and len(run.curve) > 1:
                curve = [(f"  {sparkline(run.curve)}", "cyan"), (" val accuracy by epoch", "dim")]
        self._waiting_seconds = self._forecast.total(self._waiting.values())
        place = f"{self._done:>{len(str(self._total))}}/{self._total} "
        name = outcome.spec.label
        left = "" if self._console.is_interactive else self._all_left()
        if outcome.reused:
            told = line(place, f"{name}: complete from before", style="dim")
        elif outcome.status == "completed":
            accuracy = outcome.test_accuracy
            scored = "" if accuracy is None else f"test accuracy {accuracy:.2%}, "
            told = line(place, (name, "green"), f": {scored}{duration(took)}{left}", *curve)
        else:
            colour = "red" if outcome.status == "failed" else "yellow"
            told = line(place, (f"{name}: {outcome.status}", colour), f": {outcome.reason}")
        print_lines(self._console, told)
        if outcome.remark:
            print_lines(self._console, line(f"  {outcome.remark}", style="yellow"))

    def _all_left(self) -> str:
        """How long all takes yet, in words; nothing while that is not known."""
        ends = [run.ends for run in list(self._running.values())]
        known = [end for end in ends if end is not None]
        if self._done == self._total or self._waiting_seconds is None or len(known) < len(ends):
            return ""
        now = time.monotonic()
        going = [max(0.0, end - now) for end in known]
        shared = (self._waiting_seconds + sum(going)) / max(1, self._at_once)
        return f", about {duration(max(shared, *going, 0.0))} left in all"
