"""Turns a matplotlib figure into a PNG file."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whose texts are plain: a $ in a class name begins no formula."""
    with rc_context({"text.parse_math": False}):
        figure.savefig(path)
