"""Turns an image and its heatmap into an overlay, and both into the study's captioned panels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PANEL = 240
"""Side of a panel in pixels."""
OVERLAY_OPACITY = 0.5
_CAPTION = 26
_COLOURS = 256


def overlay(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """Put a heatmap over its image, or drain the image of colour if nothing is warm in it.

    Args:
        pixels: (S, S, 3).
        heat: (S, S) in [0, 1].
    """
    if not heat.any():
        return Image.fromarray(pixels).convert("L").convert("RGB")
    colours = _jet()[np.minimum(heat * _COLOURS, _COLOURS - 1).astype(np.intp)]
    return Image.blend(Image.fromarray(pixels), Image.fromarray(colours), OVERLAY_OPACITY)


@cache
def _jet() -> NDArray[np.uint8]:
    """(256, 3) the study's colours, from cold to warm."""
    from matplotlib import colormaps  # slow to import

    return (colormaps["jet"](np.arange(_COLOURS))[:, :3] * 255).astype(np.uint8)


def draw_panels(
    pixels: NDArray[np.uint8],
    heat: NDArray[np.float32],
    size: tuple[int, int],
    kind: str,
    caption: str,
    told: str,
) -> Image.Image:
    """Put an image and its overlay side by side under their captions.

    Args:
        pixels: (S, S, 3).
        heat: (S, S) in [0, 1].
        size: Width and height at which they are shown, of at most `PANEL`.
        kind: Caption of the overlay.
        caption: Line above both.
        told: Line below both: how much the map is worth.
    """
    from benchmark.data.fonts import draw_line  # slow to import

    canvas = Image.new("RGB", (2 * PANEL, PANEL + 3 * _CAPTION), "white")
    draw = ImageDraw.Draw(canvas)
    draw_line(draw, (PANEL, _CAPTION / 2), caption, size=15, width=2 * PANEL - 8)
    found = kind if heat.any() else f"{kind}: nothing found"
    panels = ((Image.fromarray(pixels), "Original Image"), (overlay(pixels, heat), found))
    for i, (panel, title) in enumerate(panels):
        centre = i * PANEL + PANEL / 2
        draw_line(draw, (centre, 1.5 * _CAPTION), title, size=14, width=PANEL - 8)
        resized = panel.resize(size, Image.Resampling.BICUBIC)
        left, top = ((PANEL - length) // 2 for length in size)
        canvas.paste(resized, (i * PANEL + left, 2 * _CAPTION + top))
    draw_line(draw, (PANEL, PANEL + 2.5 * _CAPTION), told, size=13, width=2 * PANEL - 8)
    return canvas
