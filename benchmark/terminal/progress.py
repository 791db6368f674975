"""Turns plans, progress and outcomes into lines on a terminal, or plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text
from rich.tree import Tree

from benchmark.data.audit import warnings
from benchmark.data.splits import SPLITS
from benchmark.execution.listener import Listener
from benchmark.ranking.statistics import wilson_interval
from benchmark.study.presets import changes
from benchmark.terminal.console import line
from benchmark.terminal.live_lines import LiveLines, meter
from benchmark.terminal.tables import count, duration, sparkline

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.execution.launch import Launch
    from benchmark.execution.planning import Study
    from benchmark.ranking.runs import Context
    from benchmark.runs.options import Outcome, RunOptions
    from benchmark.study.plan import Plan, RunSpec
    from benchmark.training.trainer import EpochResult

QUICK = (
    "The quick preset shows everything at work; its accuracies say little about the systems. "
    "The real thing: bench run --all --data DIR"
)


@contextmanager
def decoding(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show how many images are decoded."""
    with Progress(
        TextColumn("decoding images"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_header(console: Console, study: Study, options: RunOptions) -> None:
    """Say what is run on what, and what the preset shrank."""
    spec, plan, config = study.data.spec, study.plan, study.config
    splits = ", ".join(f"{len(study.data.rows(split)):,} {split}" for split in SPLITS)
    images = (
        f": {spec.num_images:,} images of {spec.num_classes} classes at {_sizes(study)} ({splits})"
    )
    lines = [
        line((spec.name, "bold"), images),
        line(
            f"preset {config.preset}: at most {config.train.epochs} epochs, weights "
            f"{config.weights}, seed {config.seed}, on {options.device}"
        ),
        line(f"{len(plan)} {'run' if len(plan) == 1 else 'runs'}, tracked in {options.store}"),
    ]
    lines[1:1] = [line(text) for text in warnings(study.data)]
    changed = changes(config)
    if changed and options.studied:  # else nobody takes it for the study
        lines.insert(0, line(f"not the study as published: {', '.join(changed)}"))
    if config.preset == "quick":
        lines.insert(0, line(QUICK))
    _print(console, *lines)


def _sizes(study: Study) -> str:
    """Say at what size the images are shown to networks: the most common, and the others."""
    sizes = {spec.system.model: spec.image_size for spec in study.plan if not spec.pretraining}
    common = Counter(sizes.values()).most_common(1)[0][0]
    others = [f", {model} {size} x {size}" for model, size in sizes.items() if size != common]
    return f"{common} x {common} pixels{''.join(others)}"


def print_plan(console: Console, launch: Launch) -> None:
    """Show the plan as a tree: under each run, those that need it."""
    from benchmark.execution.planning import weights_bytes
    from benchmark.runs.run_one import find_run

    plan, options = launch.study.plan, launch.options
    tree = Tree("plan")

    def add(branch: Tree, spec: RunSpec) -> None:
        state = " (complete)" if options.store.exists() and find_run(spec, options) else ""
        node = branch.add(line(spec.name, (_size(spec) + state, "dim")))
        for dependant in plan.dependants(spec.id):
            add(node, dependant)

    for spec in plan:
        if not spec.needs:
            add(tree, spec)
    console.print(tree, highlight=False)
    kept = options.save_weights
    megabytes = weights_bytes(plan, kept) / 1e6
    heads = sum(1 for spec in plan if spec.id in kept and spec.system.head)
    and_heads = f", and the files of {heads} heads" if heads else ""
    views = {(spec.data, spec.input): spec for spec in plan}.values()
    pixels = sum(3 * spec.data.num_images * spec.image_size**2 for spec in views)
    _print(console, line(f"decoded images: {pixels / 1e6:,.0f} MB"))
    _print(console, line(f"weights that will be kept: {megabytes:,.0f} MB{and_heads}"))


def _size(spec: RunSpec) -> str:
    if spec.system.head is not None:
        return ""
    from benchmark.execution.planning import parameters

    number = parameters(spec)
    return "  cannot be made" if number is None else f"  {count(number)} parameters"


def print_at_chance(console: Console, table: pd.DataFrame, study: Study) -> None:
    """Say which rows of a summary are no better than guessing, and why that is to be expected.

    Args:
        console: Where to.
        table: As `benchmark.ranking.tables.summary` makes it.
        study: What was run.
    """
    data = study.data
    tested = data.labels[data.rows("test")]
    chance = np.bincount(tested).max() / len(tested)
    guessing = [
        str(system)
        for system, accuracy in zip(table["system"], table["test_accuracy"], strict=True)
        if wilson_interval(accuracy, len(tested))[0] <= chance
    ]
    if guessing:
        epochs, images = study.config.train.epochs, len(data.rows("train"))
        told = (
            f"At chance ({chance:.1%}): {', '.join(guessing)}. They learnt nothing that "
            f"{len(tested)} test images show in at most {epochs} epochs of {images:,} images."
        )
        _print(console, line(told))


def print_end(console: Console, outcomes: list[Outcome], seconds: float) -> None:
    """Count the outcomes, and say what the explanations took of all seconds and where to look."""
    tally = Counter(
        "complete from before" if outcome.reused else outcome.status for outcome in outcomes
    )
    told = ", ".join(f"{number} {status}" for status, number in tally.items())
    _print(console, line(f"{told}. Pictures and figures: bench ui"))
    if explaining := sum(outcome.explain_seconds for outcome in outcomes):
        took = f"{duration(explaining)} of {duration(seconds)}"
        _print(console, line(f"Explanations took {took} (--no-explain does without)"))
    if tally["failed"]:
        _print(
            console,
            line("Tracebacks of failed runs are in MLflow; bench ls runs lists the reasons"),
        )


def print_other_contexts(console: Console, others: list[Context]) -> None:
    """Say what else is in the store."""
    for context in others:
        told = f"not shown: {context.title} (bench leaderboard --context {context.id[:8]})"
        _print(console, line(told, style="dim"))


def _print(console: Console, *lines: Text) -> None:
    """Print lines, folded where there is a terminal's width to fold them to."""
    for one in lines:
        console.print(one, highlight=False, soft_wrap=not console.is_terminal)


@dataclass(kw_only=True)
class _Running:
    """A run that goes on.

    Attributes:
        spec: The run.
        place: Which of how many.
        began: On the monotonic clock.
        curve: Its validation accuracies so far.
        reached: How many epochs are done, of how many, and how long the rest takes.
        figures: Losses and accuracies of the last epoch.
    """

    spec: RunSpec
    place: str
    began: float = field(default_factory=time.monotonic)
    curve: list[float] = field(default_factory=list)
    reached: str = ""
    figures: str = ""


class ProgressDisplay(LiveLines, Listener):
    """Shows which run of how many, its epoch, loss, accuracy and the time left."""

    def __init__(self, console: Console, plan: Plan) -> None:
        """Begin with nothing done; use it in a ``with`` statement.

        Args:
            console: Where to; live lines if it is a terminal.
            plan: What will be run.
        """
        super().__init__(console)
        self._total = len(plan)
        self._done = 0
        self._began = time.monotonic()
        self._running: dict[str, _Running] = {}

    def lines(self) -> list[Text]:
        """See `LiveLines`: two lines a run, and one for all of them."""
        shown = []
        for run in list(self._running.values()):
            shown.append(line(f"{run.place}: ", (run.spec.name, "bold"), f"  {run.reached}"))
            if run.figures:
                shown.append(line(f"  {run.figures}"))
        passed = duration(time.monotonic() - self._began)
        all_runs = f" {self._done} of {self._total} runs in {passed}"
        return [*shown, line(*meter(self._done, self._total), all_runs)]

    def started(self, spec: RunSpec) -> None:
        """Name the run that begins."""
        place = f"run {self._done + len(self._running) + 1} of {self._total}"
        self._running[spec.id] = _Running(spec=spec, place=place)
        if not self._console.is_terminal:
            _print(self._console, line(f"{place}: {spec.name}"))

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        """Tell an epoch's figures, and how long the run takes at most from here."""
        done, epochs = result.epoch, spec.train.epochs
        left = result.seconds * (epochs - done)
        run = self._running[spec.id]
        run.curve.append(result.val_accuracy)
        run.reached = f"epoch {done}/{epochs}, at most {duration(left)} left"
        run.figures = (
            f"loss {result.train_loss:.3f}, val {result.val_loss:.3f}  "
            f"accuracy {result.train_accuracy:.1%}, val {result.val_accuracy:.1%}"
        )
        if not self._console.is_terminal:
            name = f"{spec.name}  " if len(self._running) > 1 else ""
            told = f"  {name}epoch {done}/{epochs}  {run.figures}  at most {duration(left)} left"
            _print(self._console, line(told))

    def ended(self, outcome: Outcome) -> None:
        """Tell how a run ended, in a line that stays."""
        self._done += 1
        curve: list[tuple[str, str]] = []
        took = 0.0
        if run := self._running.pop(outcome.spec.id, None):
            took = time.monotonic() - run.began
            if self._console.is_terminal and len(run.curve) > 1:
                curve = [(f"  {sparkline(run.curve)}", "cyan"), (" val accuracy by epoch", "dim")]
        place = f"{self._done:>{len(str(self._total))}}/{self._total} "
        name = outcome.spec.name
        if outcome.reused:
            told = line(place, f"{name}: complete from before", style="dim")
        elif outcome.status == "completed":
            accuracy = outcome.test_accuracy
            scored = "" if accuracy is None else f"test accuracy {accuracy:.2%}, "
            told = line(place, (name, "green"), f": {scored}{duration(took)}", *curve)
        else:
            colour = "red" if outcome.status == "failed" else "yellow"
            told = line(place, (f"{name}: {outcome.status}", colour), f": {outcome.reason}")
        _print(self._console, told)
        if outcome.remark:
            _print(self._console, line(f"  {outcome.remark}", style="yellow"))
