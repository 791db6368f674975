"""Turns the bytes of an image file into an array of pixels, whatever the file is called."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.data.framing import make_square
from registry.specs import STUDY_INPUT, InputSpec

MAX_PIXELS = 100_000_000
"""Larger images are taken for decompression bombs."""


class Undecodable(Exception):
    """The bytes are no image that can be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image.

    Attributes:
        pixels: (S, S, 3), uint8, RGB.
        size: Width and height before resizing, in pixels, upright.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]


def decode(data: bytes, image_size: int, input_: InputSpec = STUDY_INPUT) -> Decoded:
    """Decode an image by its content and make a square of it.

    EXIF orientation is applied, transparency is put on white, of an animation the first frame is
    taken, and greys of more than 8 bits are scaled to 8.

    Args:
        data: A file's bytes.
        image_size: Side of the square in pixels.
        input_: How the square is made; as in the study, the aspect ratio is not kept.

    Raises:
        Undecodable: They are no image, a damaged one, or a decompression bomb.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Undecodable(f"{image.width} x {image.height} pixels: too large")
            upright = ImageOps.exif_transpose(image)
            rgb = _rgb(upright)
    except UnidentifiedImageError as error:
        raise Undecodable("not an image") from error
    except Image.DecompressionBombError as error:
        raise Undecodable("too many pixels: a decompression bomb") from error
    except Undecodable:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise Undecodable(f"damaged: {error}") from error
    square = make_square(rgb, image_size, input_)
    return Decoded(pixels=np.asarray(square), size=upright.size)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
        scaled = (255 / _white(image.mode, float(grey.max())) * grey).clip(0, 255)
        return Image.fromarray(scaled.round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _white(mode: str, brightest: float) -> float:
    """Value of white in a grey image of more than 8 bits, given its largest value."""
    if mode.startswith("I;16"):
        return 65535
    # 32-bit and float files do not say: take the narrowest usual range that holds their values.
    return next((white for white in (1, 255, 65535) if brightest <= white), brightest)
