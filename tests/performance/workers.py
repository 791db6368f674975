"""Turns this machine into the number of worker processes with which a plain loop is fastest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.performance.measure import Side, call, run_once

EPOCHS = 5
"""At most, to choose by."""


def best_workers(images: Path, settings: Mapping[str, int]) -> int:
    """Let the plain loop load images as is fastest here: in its own process, or in more.

    Args:
        images: In folders, as `divided` writes them.
        settings: Of the plain loop's networks.
    """
    fewer = {**settings, "epochs": min(settings["epochs"], EPOCHS)}
    command = call("plain:fastest_workers", data=images, **fewer)
    found = run_once(Side(name="plain", command=command)).figures
    return int(found["workers"])


def told(workers: int) -> str:
    """The choice, as a note below a table."""
    return f"plain: {workers} worker processes load images, the fastest of 0, 2 and one a core"
