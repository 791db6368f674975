"""How long the command line takes to answer, beside Python and the imports that it avoids."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.performance.measure import Comparison, Options, Side, compare
from tests.performance.store import BENCH

IMPORTS = ("mlflow", "torch", "torchvision")
COMMANDS = ("--help", "run --help", "ls presets", "ls heads", "ls models", "ls systems")
MISTAKES = ("run --nonsense", "run --set train.epoch=3 convmixer", "run resnet19", "leaderboard")
"""In an empty folder; the last has nothing to show there."""
MISTAKE = 2


def run(options: Options) -> Iterator[Comparison]:
    """Measure each command and import in an empty folder."""
    sides = [Side(name="python -c pass", command=(sys.executable, "-c", "pass"))]
    sides += [
        Side(name=f"import {module}", command=(sys.executable, "-c", f"import {module}"))
        for module in IMPORTS
    ]
    for commands, exit_code in ((COMMANDS, 0), (MISTAKES, MISTAKE)):
        sides += [
            Side(name=f"bench {text}", command=[*BENCH, *text.split()], exit_code=exit_code)
            for text in commands
        ]
    yield compare("startup", sides, options.repeats, baseline=None)
