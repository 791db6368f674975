"""Small image files for the tests."""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(name: str, size: tuple[int, int] = (8, 6)) -> bytes:
    """An image that the name alone decides."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    width, height = size
    return encoded(Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)), "PNG")


def write_tree(folder: Path, counts: Mapping[str, int]) -> Path:
    """Write so many images, each another, into each folder below a folder."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            (folder / name / f"{index:03d}.png").write_bytes(png(f"{name}/{index}"))
    return folder
