"""`bench run --jobs auto` beside one run after the other; fails if it is more than 5% slower."""

from __future__ import annotations

from collections.abc import Iterator

from tests.performance.measure import Comparison, Options, SideFailed, compare
from tests.performance.store import SMALL_PRETRAINING, bench

WORST = 0.95
"""The least ratio of the two that is no fault."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure whole commands: the quick study, from an empty store."""
    command: list[str] = ["run", "--all"]
    if options.small:
        command = ["run", "basic_cnn", "convmixer", *SMALL_PRETRAINING, "--set", "train.epochs=1"]
    sides = [bench("one by one", command), bench("auto", [*command, "--jobs", "auto"])]
    found = compare("the quick study", sides, options.repeats, baseline="one by one")
    yield found
    if not options.small and (ratio := sorted(found.ratios("auto"))[options.repeats // 2]) < WORST:
        raise SideFailed(f"--jobs auto is only {ratio:.2f} times as fast")
