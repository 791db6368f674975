"""Turns plans, progress and outcomes into lines on a terminal, or plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.tree import Tree

from benchmark.data.sources import SPLITS
from benchmark.study.presets import changes
from benchmark.terminal.live_lines import LiveLines
from benchmark.terminal.tables import count, duration, sparkline

if TYPE_CHECKING:
    from benchmark.execution.launch import Launch
    from benchmark.execution.planning import Study
    from benchmark.ranking.tables import Context
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
    lines = [
        f"[bold]{spec.name}[/]: {spec.num_images:,} images of {spec.num_classes} classes at "
        f"{spec.image_size} x {spec.image_size} pixels ({splits})",
        f"preset {config.preset}: at most {config.train.epochs} epochs, weights "
        f"{config.weights}, seed {config.seed}, on {options.device}",
        f"{len(plan)} {'run' if len(plan) == 1 else 'runs'}, tracked in {options.store.uri}",
    ]
    if study.data.left_out:
        lines.insert(1, f"{len(study.data.left_out)} files left out; bench data lists them")
    if changed := changes(config):
        lines.insert(0, f"not the study as published: {', '.join(changed)}")
    if config.preset == "quick":
        lines.insert(0, QUICK)
    console.print("\n".join(lines), highlight=False, soft_wrap=not console.is_terminal)


def print_plan(console: Console, launch: Launch) -> None:
    """Show the plan as a tree: under each run, those that need it."""
    from benchmark.execution.planning import weights_bytes
    from benchmark.runs.run_one import find_run

    plan, options = launch.study.plan, launch.options
    tree = Tree("plan")

    def add(branch: Tree, spec: RunSpec) -> None:
        state = " [dim](complete)[/]" if find_run(spec, options) else ""
        node = branch.add(f"{spec.name}[dim]{_size(spec)}[/]{state}")
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
    console.print(f"weights that will be kept: {megabytes:,.0f} MB{and_heads}", highlight=False)


def _size(spec: RunSpec) -> str:
    if spec.system.head is not None:
        return ""
    from benchmark.evaluation.cost import network_cost

    cost = network_cost(spec.system, spec.data.image_size, spec.data.num_classes)
    return f"  {count(cost['params_total'])} parameters"


def print_end(console: Console, outcomes: list[Outcome], seconds: float) -> None:
    """Count the outcomes, and say what the explanations took of all seconds and where to look."""
    tally = Counter(
        "complete from before" if outcome.reused else outcome.status for outcome in outcomes
    )
    told = ", ".join(f"{number} {status}" for status, number in tally.items())
    console.print(f"{told}. Pictures and figures: bench ui", highlight=False)
    if explaining := sum(outcome.explain_seconds for outcome in outcomes):
        took = f"{duration(explaining)} of {duration(seconds)}"
        console.print(f"Explanations took {took} (--no-explain does without)", highlight=False)
    if tally["failed"]:
        console.print("Tracebacks of failed runs are in MLflow; bench ls runs lists the reasons")


def print_other_contexts(console: Console, others: list[Context]) -> None:
    """Say what else is in the store."""
    for context in others:
        console.print(
            f"not shown: {context.title} (bench leaderboard --context {context.id[:8]})",
            style="dim",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )


@dataclass(kw_only=True)
class _Running:
    """A run that goes on: its live line, when it began, and its validation accuracies so far."""

    line: TaskID
    began: float = field(default_factory=time.monotonic)
    curve: list[float] = field(default_factory=list)


class ProgressDisplay(LiveLines):
    """Shows which run of how many, its epoch, loss, accuracy and the time left."""

    def __init__(self, console: Console, plan: Plan) -> None:
        """Begin with nothing done; use it in a ``with`` statement.

        Args:
            console: Where to; a live line if it is a terminal.
            plan: What will be run.
        """
        super().__init__(console)
        self._total = len(plan)
        self._done = 0
        self._running: dict[str, _Running] = {}

    def started(self, spec: RunSpec) -> None:
        """Name the run that begins."""
        place = f"run {self._done + len(self._running) + 1} of {self._total}"
        epochs = spec.train.epochs if spec.system.head is None else None
        line = self._live.add_task(f"[bold]{spec.name}[/]", place=place, total=epochs)
        self._running[spec.id] = _Running(line=line)
        if not self._console.is_terminal:
            self._print(f"{place}: {spec.name}")

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        """Tell an epoch's figures, and how long the run takes at most from here."""
        done, epochs = result.epoch + 1, spec.train.epochs
        left = result.seconds * (epochs - done)
        running = self._running[spec.id]
        running.curve.append(result.val_accuracy)
        line = (
            f"epoch {done}/{epochs}  loss {result.train_loss:.3f}, val {result.val_loss:.3f}  "
            f"accuracy {result.train_accuracy:.1%}, val {result.val_accuracy:.1%}  "
            f"at most {duration(left)} left"
        )
        self._live.update(running.line, completed=done, description=f"[bold]{spec.name}[/] {line}")
        if not self._console.is_terminal:
            self._print(f"  {spec.name}  {line}" if len(self._running) > 1 else f"  {line}")

    def ended(self, outcome: Outcome) -> None:
        """Tell how a run ended, in a line that stays."""
        self._done += 1
        curve, took = "", 0.0
        if running := self._running.pop(outcome.spec.id, None):
            self._live.remove_task(running.line)
            took = time.monotonic() - running.began
            if self._console.is_terminal and len(running.curve) > 1:
                curve = f"  [cyan]{sparkline(running.curve)}[/] [dim]val accuracy by epoch[/]"
        place = f"{self._done:>{len(str(self._total))}}/{self._total}"
        name = outcome.spec.name
        if outcome.reused:
            self._print(f"{place} {name}: complete from before", style="dim")
        elif outcome.status == "completed":
            accuracy = outcome.test_accuracy
            scored = "" if accuracy is None else f"test accuracy [bold]{accuracy:.2%}[/], "
            self._print(f"{place} [green]{name}[/]: {scored}{duration(took)}{curve}")
            if outcome.remark:
                self._print(f"  {escape(outcome.remark)}", style="yellow")
        else:
            colour = "red" if outcome.status == "failed" else "yellow"
            self._print(f"{place} [{colour}]{name}: {outcome.status}[/]: {outcome.reason}")

    def _print(self, text: str, style: str | None = None) -> None:
        wrap = not self._console.is_terminal
        self._console.print(text, style=style, highlight=False, soft_wrap=wrap)
