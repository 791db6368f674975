"""Turns a drawing function into a PNG file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.printable import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = 28
"""So many characters of a name stand beside an axis."""


def write_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw a figure and write it as PNG, with fonts that have all its characters.

    Its texts are plain: a $ in a class name begins no formula.
    """
    from matplotlib import rc_context  # slow to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    from benchmark.data.fonts import families

    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)  # told once
        figure = draw()
        for axes in figure.axes:  # their labels are made when they are asked for
            axes.get_xticklabels()
            axes.get_yticklabels()
        texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
        fonts = families(text.get_text() for text in texts)
        for text in texts if len(fonts) > 1 else ():
            text.set_fontfamily(fonts)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(path)  # savefig draws all of it twice


def label(name: str) -> str:
    """A name short enough to stand beside an axis."""
    return shortened(name, LABEL)
