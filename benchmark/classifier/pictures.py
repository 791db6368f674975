"""Turns what users have in hand, files, PIL images and arrays, into pixels as in training."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmark.data.decode import Decoded, Undecodable, decode, read_file
from benchmark.data.large import large_file
from registry.errors import UserError
from registry.specs import STUDY_INPUT, InputSpec

Picture: TypeAlias = "str | PathLike[str] | bytes | Image.Image | NDArray[Any]"
"""A file or its content, an image of PIL, or (H, W), (H, W, 3) or (H, W, 4): uint8, or floats in
[0, 1]."""
T = TypeVar("T")
U = TypeVar("U")
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def as_list(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    """One picture as a list of it; an array of four dimensions as its pictures."""
    if isinstance(pictures, str | PathLike | bytes | Image.Image):
        return [pictures]
    if isinstance(pictures, np.ndarray) and pictures.ndim < 4:
        return [pictures]
    return list(pictures)


def name_of(picture: Picture, place: int) -> str:
    """The name of a picture's file, or which of all it is, from 0."""
    if isinstance(picture, str | PathLike):
        return str(picture)
    return str(getattr(picture, "filename", "")) or str(place)


def decode_picture(picture: Picture, image_size: int, input_: InputSpec = STUDY_INPUT) -> Decoded:
    """Decode a picture as images are decoded for training; see `decode`.

    Raises:
        Undecodable: It is none, or a damaged one; the message is the reason alone.
        UserError: It is an array of another shape or kind.
    """
    if isinstance(picture, bytes):
        content = picture
    elif isinstance(picture, Image.Image):
        content = _reading(_encoded, picture)
    elif isinstance(picture, str | PathLike):
        path = Path(picture)
        with large_file(_reading(lambda file: file.stat().st_size, path)):
            return decode(read_file(path), image_size, input_)
    else:
        content = _encoded(_from_array(picture))
    with large_file(len(content)):
        return decode(content, image_size, input_)


def read_picture(picture: Picture, image_size: int, input_: InputSpec = STUDY_INPUT) -> Decoded:
    """Decode a picture as `decode_picture` does, or say in a line which cannot be.

    Raises:
        UserError: It is none, or a damaged one.
    """
    try:
        return decode_picture(picture, image_size, input_)
    except Undecodable as error:
        raise unreadable(picture, str(error)) from error


def unreadable(picture: Picture, reason: str) -> UserError:
    """Say in a line which picture cannot be read, and why."""
    name = picture if isinstance(picture, str | PathLike) else "a picture"
    return UserError(f"{name} cannot be read ({reason}); name picture files")


def _reading(read: Callable[[T], U], source: T) -> U:
    """Read from a file, which may be gone or damaged."""
    try:
        return read(source)
    except (OSError, ValueError) as error:  # ValueError: a null character in its name
        raise Undecodable(getattr(error, "strerror", None) or str(error)) from error


def _encoded(image: Image.Image) -> bytes:
    """Write an image as a file without loss, so that it goes the way of all files."""
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
    file = io.BytesIO()
    if upright.mode in _PNG_MODES:
        upright.save(file, "PNG", compress_level=1)
    else:
        upright.save(file, "TIFF")
    return file.getvalue()


def _from_array(array: NDArray[Any]) -> Image.Image:
    array = np.asarray(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UserError(
            f"an array of {array.shape} is no picture; give (height, width), or with 3 or 4 "
            "channels at the end"
        )
    if np.issubdtype(array.dtype, np.floating) and array.min() >= 0 and array.max() <= 1:
        array = (255 * array).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise UserError(
            f"an array of {array.dtype} from {array.min()} to {array.max()} is no picture; give "
            "uint8, or floats from 0 to 1"
        )
    return Image.fromarray(array)
