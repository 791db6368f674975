"""Turns this machine into the number of worker processes with which a plain loop is faster."""

from __future__ import annotations

from tests.performance.images import divided
from tests.performance.measure import Options, Side, call, run_once
from tests.performance.settings import QUICK, SMALL


def better_workers(options: Options) -> int:
    """Let the plain loop load images as is faster here: in its own process, or in two more."""
    images = divided(options, *((3, 6) if options.small else (10, 30)))
    settings = SMALL if options.small else QUICK
    command = call("plain:faster_workers", data=images, **settings)
    found = run_once(Side(name="plain", command=command)).figures
    return int(found["workers"])


def told(workers: int) -> str:
    """The choice, as a note below a table."""
    return f"plain: {workers} worker processes load images, the faster of 0 and 2"
