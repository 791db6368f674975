"""Picture files as people have them: modes, formats and shapes of all kinds, and broken ones."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ORIENTATION = 0x0112
BROKEN = {
    "empty.png": b"",
    "text.jpg": b"no picture",
    "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


def _pixels(rng: np.random.Generator, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Coarse blocks with noise: edges that resizing by another rule would move."""
    width, height = size
    blocks = rng.integers(0, 256, (-(-height // 7), -(-width // 7), channels))
    pixels = blocks.repeat(7, axis=0).repeat(7, axis=1)[:height, :width]
    return (pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)


def _written(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def _kinds(rng: np.random.Generator, size: tuple[int, int]) -> dict[str, Callable[[], bytes]]:
    rgb = Image.fromarray(_pixels(rng, size, 3))
    rgba = Image.fromarray(_pixels(rng, size, 4))
    grey = Image.fromarray(_pixels(rng, size, 1)[..., 0])
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    quality, transparent = int(rng.integers(20, 100)), int(rng.integers(16))
    exif = Image.Exif()
    exif[_ORIENTATION] = int(rng.integers(1, 9))
    return {
        "jpeg": lambda: _written(rgb, "JPEG", quality=quality, exif=exif),
        "progressive": lambda: _written(rgb, "JPEG", progressive=True),
        "cmyk": lambda: _written(rgb.convert("CMYK"), "JPEG"),
        "grey jpeg": lambda: _written(grey, "JPEG", exif=exif),
        "transparent": lambda: _written(rgba, "PNG"),
        "grey and transparent": lambda: _written(rgba.convert("LA"), "PNG"),
        "palette": lambda: _written(rgb.quantize(16), "PNG", transparency=transparent),
        "black and white": lambda: _written(grey.convert("1"), "PNG"),
        "deep": lambda: _written(deep, "PNG"),
        "float": lambda: _written(floats, "TIFF"),
        "tiff": lambda: _written(rgba, "TIFF", compression="tiff_lzw"),
        "webp": lambda: _written(rgba, "WEBP", quality=quality),
        "avif": lambda: _written(rgb, "AVIF", exif=exif),
        "animated": lambda: _written(rgb, "GIF", save_all=True, append_images=[rgb.rotate(180)]),
        **{name: partial(_written, rgb, name) for name in ("PNG", "BMP", "PPM", "JPEG2000", "TGA")},
    }


def odd_pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """So many file names, which say nothing of what is inside, and contents."""
    choose, rng = random.Random(0), np.random.default_rng(0)
    sizes = [(1, 1), (2, 90), (90, 2), (31, 33), (40, 40), (64, 48), (200, 130), (500, 24)]
    for place, size in zip(range(count), itertools.cycle(sizes), strict=False):
        kinds = [*_kinds(rng, size).values()]
        suffix = choose.choice((".jpg", ".png", ".JPEG", ".webp"))
        yield f"{place:03}{suffix}", kinds[place % len(kinds)]()
