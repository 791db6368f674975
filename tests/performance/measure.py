"""Turns ways of doing the same work into processes, measured in turns, and a table of them."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "val", "test")
RESULT = "result.json"
OUTPUT = "output.txt"
SAMPLE_SECONDS = 0.02
_SHOWN_LINES = 15

Figures = dict[str, Any]
"""What a side says of its work by itself. ``seconds`` stands in for the time of the process, which
includes Python's imports and is then told besides; ``images_per_second`` has its own column."""


class CaseSkipped(Exception):
    """A case lacks something that this machine has to be given; the message says what."""


class SideFailed(Exception):
    """A measured process ended with an unexpected exit code; the message shows its last lines."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        small: Whether sizes are tiny, to see that a case works.
        full: Whether the study has its published size.
        device: Where networks run here.
        repeats: How often each side runs.
        data: Images with a folder for each class; None for generated ones.
        folder: For what cases share.
        timm_script: train.py of a checkout of timm.
    """

    small: bool
    repeats: int
    data: Path | None
    folder: Path
    timm_script: Path | None = None
    full: bool = False
    device: str = "cpu"


def read_result(folder: Path) -> Figures:
    """Read what a function called by `call` returned; nothing of other commands."""
    path = folder / RESULT
    figures: Figures = json.loads(path.read_text()) if path.exists() else {}
    return figures


@dataclass(frozen=True, kw_only=True)
class Side:
    """One way of doing the work: a command that runs in a fresh process and a fresh folder.

    Attributes:
        name: In the table.
        command: What is run.
        prepare: Fills the folder; not measured.
        figures: Reads what the command left in the folder.
        exit_code: The one that is expected.
    """

    name: str
    command: Sequence[str]
    prepare: Callable[[Path], None] = lambda folder: None
    figures: Callable[[Path], Figures] = read_result
    exit_code: int = 0


def call(target: str, **arguments: Any) -> list[str]:
    """The command that calls ``MODULE:FUNCTION`` of this package and keeps the figures it returns.

    Args:
        target: Such as ``plain:study``.
        arguments: The function's; anything that JSON can hold, and paths.
    """
    return [
        *(sys.executable, "-m", "tests.performance.child", target),
        json.dumps(arguments, default=str),
    ]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one process took.

    Attributes:
        seconds: Of the work: the process's from start to end, unless the side says otherwise.
        peak_mb: Most resident memory in MiB, mapped files included; of workers, the largest alone.
        anonymous_mb: Most resident memory that no file backs, in MiB, sampled: what the page cache
            cannot give back.
        figures: The side's own.
    """

    seconds: float
    peak_mb: float
    anonymous_mb: float
    figures: Figures = field(default_factory=dict)


def environment() -> dict[str, str]:
    """The processes' variables: this machine's without those that would lead to another store.

    Python keeps the bytecode of what it imports, as it does unless told otherwise.
    """
    others = ("MLFLOW_", "BENCH_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    return {**kept, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", "COLUMNS": "200"}


def measure(side: Side, folder: Path) -> Measurement:
    """Run a side once.

    A process inherits the peak of the one that starts it, so this one imports nothing large.

    Raises:
        SideFailed: It ended otherwise than expected.
    """
    side.prepare(folder)
    with (folder / OUTPUT).open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            side.command, cwd=folder, env=environment(), stdout=output, stderr=output
        )
        memory = _AnonymousMemory(process.pid)
        memory.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    anonymous = memory.stop()
    if process.returncode != side.exit_code:
        lines = (folder / OUTPUT).read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        raise SideFailed("\n".join([f"{side.name} ended with {process.returncode}:", *lines]))
    figures = side.figures(folder)
    if "seconds" in figures:
        figures["process_seconds"] = seconds
    return Measurement(
        seconds=figures.pop("seconds", seconds),
        peak_mb=usage.ru_maxrss / 1024,
        anonymous_mb=anonymous,
        figures=figures,
    )


class _AnonymousMemory(threading.Thread):
    """Samples a process's anonymous resident memory."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._peak = 0.0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:  # it has just ended
                return
            sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon")]
            self._peak = max([self._peak, *(size / 1024 for size in sizes)])

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return self._peak


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The measurements of several ways of doing one piece of work.

    Attributes:
        work: What was done.
        sides: Name -> measurements, in the order of the repeats.
        baseline: The side that the others are compared with; None for no comparison.
        notes: What the figures came to, in sentences.
    """

    work: str
    sides: Mapping[str, list[Measurement]]
    baseline: str | None = "plain"
    notes: tuple[str, ...] = ()

    def ratios(self, name: str) -> list[float]:
        """How many times faster than the baseline a side was, in each repeat."""
        if self.baseline is None:
            return []
        pairs = zip(self.seconds(self.baseline), self.seconds(name), strict=True)
        return [baseline / own for baseline, own in pairs]

    def against_fastest(self, names: Sequence[str]) -> Comparison:
        """Take the fastest of some sides for the baseline: what one would choose here."""
        fastest = min(names, key=lambda name: statistics.median(self.seconds(name)))
        return replace(self, baseline=fastest)

    def seconds(self, name: str) -> list[float]:
        """The times of a side, by repeat."""
        return [measurement.seconds for measurement in self.sides[name]]

    def median(self, name: str, figure: str) -> float | None:
        """The median of a figure over a side's repeats; None if it does not say."""
        values = [m.figures[figure] for m in self.sides[name] if figure in m.figures]
        return statistics.median(values) if values else None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def run_once(side: Side) -> Measurement:
    """Measure a side in a folder that is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="performance-"))
    try:
        return measure(side, folder)
    finally:
        shutil.rmtree(folder)


def compare(
    work: str, sides: Sequence[Side], repeats: int, baseline: str | None = "plain"
) -> Comparison:
    """Measure the sides in turns, each repeat beginning with another one.

    Raises:
        SideFailed: One of them ended otherwise than expected.
    """
    found: dict[str, list[Measurement]] = {side.name: [] for side in sides}
    for repeat in range(repeats):
        first = repeat % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            found[side.name].append(run_once(side))
    return Comparison(work=work, sides=found, baseline=baseline)


def show(title: str, comparisons: Iterable[Comparison], console: Console) -> None:
    """Print comparisons as a table, and their notes below."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("work", no_wrap=True)
    table.add_column("side", no_wrap=True)
    for name in ("n", "median s", "spread s", "images/s", "peak MiB", "anonymous MiB", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("besides")
    notes: list[str] = []
    for comparison in comparisons:
        notes += comparison.notes
        for place, name in enumerate(comparison.sides):
            table.add_row(comparison.work if place == 0 else "", *_cells(comparison, name))
        table.add_section()
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def _cells(comparison: Comparison, name: str) -> list[str]:
    measurements = comparison.sides[name]
    seconds = comparison.seconds(name)
    rate = comparison.median(name, "images_per_second")
    ratios = comparison.ratios(name)
    besides = [
        f"{figure.replace('_', ' ')} {comparison.median(name, figure):.4g}"
        for figure, value in measurements[0].figures.items()
        if isinstance(value, int | float) and figure != "images_per_second"
    ]
    return [
        name,
        str(len(measurements)),
        f"{statistics.median(seconds):.3g}",
        f"{min(seconds):.3g}-{max(seconds):.3g}",
        "" if rate is None else f"{rate:.3g}",
        f"{statistics.median(m.peak_mb for m in measurements):.0f}",
        f"{statistics.median(m.anonymous_mb for m in measurements):.0f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else "",
        ", ".join(besides),
    ]
