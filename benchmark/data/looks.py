"""Turns image files into what can be told of each without knowing what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.copies import SIDE
from benchmark.data.decode import Opened, Undecodable, Unreadable, open_picture, reading
from benchmark.data.identity import gone
from benchmark.data.layout import ImageFile
from benchmark.data.threads import in_threads

TINY = 32
"""Pixels of a side: in smaller pictures little is seen."""
_CLOSE = 256
"""Longest side in pixels at which sharpness is told: what is in focus there is sharp enough."""
_BORDER = 2
"""Width of a thumbnail's border in pixels."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What can be told of an image.

    Attributes:
        width: In pixels, upright.
        height: In pixels, upright.
        bytes: Of the file.
        kind: Of the file, by its content, such as ``JPEG``.
        colour: Mean red, green and blue, 0 to 255.
        border: Mean red, green and blue of its outermost pixels.
        border_spread: Standard deviation there: 0 is a border of one colour.
        brightness: Mean of the grey picture, 0 to 255.
        contrast: Standard deviation of the grey picture.
        sharpness: Standard deviation of its Laplacian, in shares of the contrast.
    """

    width: int
    height: int
    bytes: int
    kind: str
    colour: tuple[float, float, float]
    border: tuple[float, float, float]
    border_spread: float
    brightness: float
    contrast: float
    sharpness: float

    @property
    def is_tiny(self) -> bool:
        """Whether it has fewer than `TINY` pixels a side."""
        return min(self.width, self.height) < TINY


def look_at(
    files: Sequence[ImageFile], progress: Callable[[int, int], None], *, thumbnails: bool
) -> tuple[list[Look | None], NDArray[np.uint8]]:
    """Look at each file.

    Args:
        files: What to look at, once it is identified.
        progress: Called with (images done, images in all).
        thumbnails: Whether to make any.

    Returns:
        A look for each, None where it cannot be decoded, and thumbnails (N, SIDE, SIDE, 3), black
        there; N is 0 if none are made.

    Raises:
        UserError: A file cannot be read.
    """
    looks: list[Look | None] = []
    made = np.zeros((len(files) * thumbnails, SIDE, SIDE, 3), np.uint8)
    with in_threads(_look, files) as seen:
        for row, one in enumerate(seen):
            looks.append(None if one is None else one[0])
            if thumbnails and one is not None:
                made[row] = one[1]
            progress(row + 1, len(files))
    return looks, made


def _look(file: ImageFile) -> tuple[Look, NDArray[np.uint8]] | None:
    try:
        with reading(file.path) as data:
            return open_picture(data, partial(_describe, len(data)))
    except Unreadable as error:
        raise gone(file, error) from error
    except Undecodable:  # told when it is decoded to be kept
        return None


def _describe(size: int, opened: Opened) -> tuple[Look, NDArray[np.uint8]]:
    picture = opened.picture
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2)
    thumbnail = np.asarray(small)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[_BORDER:-_BORDER, _BORDER:-_BORDER] = True
    border = thumbnail[~inside].astype(np.float32)
    close = picture.convert("L")
    close.thumbnail((_CLOSE, _CLOSE), reducing_gap=2)
    grey = np.asarray(close, dtype=np.float32)
    contrast = float(grey.std())
    look = Look(
        width=picture.width,
        height=picture.height,
        bytes=size,
        kind=opened.kind,
        colour=_rounded(thumbnail.mean(axis=(0, 1))),
        border=_rounded(border.mean(axis=0)),
        border_spread=round(float(border.std(axis=0).mean()), 2),
        brightness=round(float(grey.mean()), 2),
        contrast=round(contrast, 2),
        sharpness=round(_laplacian(grey) / max(contrast, 1.0), 4),
    )
    return look, thumbnail


def _laplacian(grey: NDArray[np.float32]) -> float:
    """Standard deviation of what differs from the mean of the four neighbours."""
    if min(grey.shape) < 3:
        return 0.0
    middle = grey[1:-1, 1:-1]
    around = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]) / 4
    return float((middle - around).std())


def _rounded(values: NDArray[np.floating]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 2) for value in values)
    return red, green, blue
