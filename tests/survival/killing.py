"""Turns a command of bench that is ended at random moments into what went wrong by it."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

SMALL = [
    *("--data", "images", "--preset", "quick", "--weights", "demo", "--device", "cpu"),
    *("--set", "data.image_size=32", "--set", "train.epochs=2", "--set", "train.freeze_epochs=1"),
    *("--set", "pretrain.species=2", "--set", "pretrain.images_per_species=6"),
    *("--set", "pretrain.epochs=1"),
]
NAMES = ["basic_cnn", "resnet18-frozen/extra_trees"]
SWEEP = [
    *("sweep", "resnet18-frozen/extra_trees", *SMALL),
    *("--grid", "n_estimators=2:10:2", "--grid", "max_depth=1,2,none"),
]
CASES = {
    "run": ["run", *NAMES, *SMALL, "--no-explain"],
    "jobs": ["run", *NAMES, *SMALL, "--no-explain", "--jobs", "2"],
    "sweep": SWEEP,
    "sweep-jobs": [*SWEEP, "--jobs", "2"],
}
COLOURS = {"blue": (40, 60, 220), "green": (50, 200, 60), "red": (220, 50, 40)}
MARK = "BENCH_SURVIVAL"
"""Variable by which all processes of a command are known, also when their parents are gone."""
ENDING_SECONDS = 30.0
"""So long a command that is asked to end may take."""
ORPHANED_SECONDS = 15.0
_POLL_SECONDS = 0.02
_TAKES_TIME = re.compile("seconds|_ms|memory")


@dataclass(kw_only=True)
class Survival:
    """What came of a command that was killed again and again.

    Attributes:
        faults: What went wrong, in words; none if all is well.
        moments: When it was killed, in seconds after its start.
        completed: How many runs each kill found completed.
        shares: How much of the runs and trials of the undisturbed command each kill found made.
    """

    faults: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


def write_images(folder: Path) -> None:
    """Write three classes of noisy one-coloured images."""
    noise = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(14):
            pixels = (np.array(colour) + noise.normal(0, 60, (30, 40, 3))).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i:02}.png")


class Place:
    """A folder in which a command runs, with its store, its image store and temporary files."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        """Write the images and make room for temporary files."""
        self.folder = folder
        self._command = [sys.executable, "-m", "benchmark.cli", *command]
        self._mark = uuid.uuid4().hex
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        write_images(folder / "images")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "BENCH_"))}
        own = {"TMPDIR": str(self.temporary), MARK: self._mark}
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=self.folder, env=kept | own, stdout=log, stderr=log
            )

    def finish(self) -> int:
        """Run the command to its end."""
        return self.start().wait()

    def processes(self) -> list[psutil.Process]:
        """What is still running of any start."""
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get(MARK) == self._mark
        except psutil.Error:
            return False

    def rows(self, query: str) -> list[Any]:
        """Ask the store; nothing if there is none yet."""
        file = self.folder / "mlflow.db"
        if not file.exists():
            return []
        with closing(sqlite3.connect(file, timeout=60)) as database:
            return database.execute(query).fetchall()

    def completed(self) -> dict[str, str]:
        """The spec of each completed run, by the run's id."""
        return dict(self.rows(f"SELECT r.run_uuid, s.value {_COMPLETED}"))

    def made(self) -> int:
        """How many runs are completed, and trials told."""
        return len(self.completed()) + len(self.rows(_TRIALS))

    def figures(self) -> dict[tuple[str, str, int], list[float]]:
        """Values by run, metric and step, without what time and memory it took."""
        found: dict[tuple[str, str, int], list[float]] = {}
        for name, key, step, value in self.rows(
            "SELECT r.name, m.key, m.step, m.value FROM runs r JOIN metrics m USING (run_uuid) "
            f"WHERE r.run_uuid IN (SELECT r.run_uuid {_COMPLETED}) OR r.run_uuid IN ({_TRIALS})"
        ):
            if not _TAKES_TIME.search(key) and key not in _BY_PROCESS:
                # A trial's number says only when it was made.
                found.setdefault((name.partition(": ")[2] or name, key, step), []).append(value)
        return {name: sorted(values) for name, values in found.items()}


_COMPLETED = (
    "FROM runs r JOIN tags c USING (run_uuid) JOIN tags s USING (run_uuid) "
    "WHERE c.key = 'completed' AND s.key = 'spec_id' AND r.lifecycle_stage = 'active'"
)
_TRIALS = (
    "SELECT r.run_uuid FROM runs r JOIN tags t USING (run_uuid) "
    "WHERE t.key = 'trial' AND r.lifecycle_stage = 'active'"
)
_RUNNING = "SELECT name FROM runs WHERE status = 'RUNNING'"
_BY_PROCESS = {"trees_grown"}
"""Metrics of what a process did, and not of what came out."""


def survive(
    case: str,
    kills: int,
    seed: int,
    folder: Path,
    number: signal.Signals = signal.SIGKILL,
    share: float | None = None,
) -> Survival:
    """Run a case undisturbed, then end it some times, let it finish, and compare.

    Args:
        case: One of `CASES`.
        kills: How many.
        seed: Of the moments.
        folder: Where; must not exist.
        number: Of the signal that ends it.
        share: End it once so much is made of what the undisturbed one makes, at no random moment.
    """
    calm, harsh = (Place(folder / name, CASES[case]) for name in ("calm", "harsh"))
    result = Survival()
    began = time.monotonic()
    if calm.finish() != 0:
        result.faults.append(f"undisturbed, it fails; see {calm.folder}/log.txt")
        return result
    seconds, total = time.monotonic() - began, calm.made()
    moments = random.Random(seed)
    kept: dict[str, str] = {}
    for _ in range(kills):
        process = harsh.start()
        began, moment = time.monotonic(), moments.uniform(0, seconds)
        while process.poll() is None and (
            time.monotonic() < began + moment if share is None else harsh.made() < share * total
        ):
            time.sleep(_POLL_SECONDS)
        result.moments.append(round(time.monotonic() - began, 1))
        if process.poll() is None:
            process.send_signal(number)
            result.faults += _ending(harsh, process, number)
        result.shares.append(harsh.made() / total)
        result.faults += _orphans(harsh)
        before, kept = kept, harsh.completed()
        result.completed.append(len(kept))
        if lost := before.items() - kept.items():
            result.faults.append(f"killed after {result.moments[-1]} s: lost {dict(lost)}")
    if harsh.finish() != 0:
        result.faults.append(f"it does not finish; see {harsh.folder}/log.txt")
    if lost := kept.items() - harsh.completed().items():
        result.faults.append(f"going on lost {dict(lost)}")
    result.faults += [*_compare(calm, harsh), *_leftovers(harsh)]
    return result


def _ending(
    place: Place, process: subprocess.Popen[bytes], number: signal.Signals
) -> Iterator[str]:
    """What is wrong with how a command ends upon a signal; of kill -9, it cannot hear."""
    try:
        code = process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        yield f"{number.name} did not end it"
        return
    if number == signal.SIGKILL:
        return
    if code not in (0, -number, 128 + number):  # it may have ended, or not have begun to listen
        yield f"{number.name} ended it with {code}"
    for (name,) in place.rows(_RUNNING):
        yield f"{number.name} left {name} RUNNING"


def _orphans(place: Place) -> Iterator[str]:
    until = time.monotonic() + ORPHANED_SECONDS
    while (left := place.processes()) and time.monotonic() < until:
        time.sleep(0.2)
    for process in left:
        yield f"process {process.pid} outlives its parent"
        process.kill()


def _compare(calm: Place, harsh: Place) -> Iterator[str]:
    for spec, count in Counter(harsh.completed().values()).items():
        if count > 1:
            yield f"{spec} was completed {count} times"
    if missing := {*calm.completed().values()} ^ {*harsh.completed().values()}:
        yield f"not the same runs: {missing}"
    for (name,) in harsh.rows(_RUNNING):
        yield f"{name} stays RUNNING"
    expected, found = calm.figures(), harsh.figures()
    for key in sorted(expected.keys() | found.keys()):
        one, other = expected.get(key, []), found.get(key, [])
        # Forests sum their trees in any order.
        if len(one) != len(other) or not np.allclose(one, other, rtol=0, atol=1e-12):
            yield f"{key}: {other} in place of {one}"


def _leftovers(place: Place) -> Iterator[str]:
    for path in sorted(place.folder.rglob("*")):
        if path.name.endswith(".partial"):
            yield f"{path} is left"
    for path in place.temporary.iterdir():
        if not path.name.startswith("torchinductor"):
            yield f"{path} is left"
