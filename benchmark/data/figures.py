"""Turns a drawing function into a PNG file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


def write_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw a figure and write it; its texts are plain: a $ in a class name begins no formula."""
    with rc_context({"text.parse_math": False}):
        draw().savefig(path)
