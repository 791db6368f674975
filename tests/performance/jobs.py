"""`bench run --jobs auto` beside one run after the other; fails if it is more than 5% slower."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.performance.measure import Comparison, Options, SideFailed, compare, measure
from tests.performance.store import SMALL_PRETRAINING, bench, copy_of

WORST = 0.95
"""The least ratio of the two that is no fault."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure whole commands on the quick study, whose runs were made before: that is expected."""
    command: list[str] = ["run", "--all"]
    if options.small:
        command = ["run", "basic_cnn", "convmixer", *SMALL_PRETRAINING, "--set", "train.epochs=1"]
    known = options.folder / "known"
    known.mkdir()
    measure(bench("before", command), known)
    start = copy_of(known)
    again = [*command, "--force"]
    sides = [
        bench("one by one", again, prepare=start),
        bench("auto", [*again, "--jobs", "auto"], prepare=start),
    ]
    found = compare("the quick study", sides, options.repeats, baseline="one by one")
    yield found
    ratio = statistics.median(found.ratios("auto"))
    if ratio < WORST and not options.small:
        raise SideFailed(f"--jobs auto is {ratio:.2f} times as fast as one by one")
