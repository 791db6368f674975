"""The share of a run's time that tracking takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

from tests.performance.images import few_images
from tests.performance.measure import Comparison, Figures, Options, Side, call, compare

SYSTEMS = ("basic_cnn", "convmixer", "resnet18")


def run(options: Options) -> Iterator[Comparison]:
    """Measure short runs: the shorter a run, the larger tracking's share."""
    images = few_images(options)
    arguments = ["--data", str(images), "--preset", "quick"]
    for system in SYSTEMS[:1] if options.small else SYSTEMS:
        command = call("tracking:bench", arguments=["run", system, *arguments])
        side = Side(name="bench", command=command)
        yield compare(f"{system}-scratch", [side], options.repeats, baseline=None)


class Clock:
    """Adds up the time spent inside functions, nested ones counted once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def watch(self, owner: type, name: str) -> None:
        """Count a method of a class from now on."""
        method = getattr(owner, name)

        @wraps(method)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - start

        setattr(owner, name, watched)


def bench(arguments: list[str]) -> Figures:
    """Run bench in this process with every method of its tracker watched.

    What happens once is left out of both: imports, and the creation of the store, told beside.
    """
    import benchmark.runs.run_one  # noqa: F401
    from benchmark.cli import main
    from benchmark.tracking.store import Store, load_environment
    from benchmark.tracking.tracked_run import TrackedRun
    from benchmark.tracking.writer import Tracker

    load_environment()
    start = time.perf_counter()
    Tracker(Store())
    creating = time.perf_counter() - start
    clock = Clock()
    for owner in (Tracker, TrackedRun):
        for name, member in list(vars(owner).items()):
            if callable(member) and (not name.startswith("_") or name in ("__init__", "__exit__")):
                clock.watch(owner, name)
    start = time.perf_counter()
    with Path("bench.txt").open("w") as output:
        stdout, sys.stdout = sys.stdout, output
        try:
            main(arguments)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"bench ended with {end.code}") from end
        finally:
            sys.stdout = stdout
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "tracking_seconds": clock.seconds,
        "tracking_percent": 100 * clock.seconds / seconds,
        "creating_the_store_seconds": creating,
    }
