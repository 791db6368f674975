"""Turns an image file into an array of pixels, whatever the file is called."""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.data.framing import make_square
from benchmark.data.large import MAX_PIXELS, large_file, large_picture
from registry.specs import STUDY_INPUT, InputSpec

MAX_BYTES = 1_000_000_000

pi_heif.register_heif_opener()
Image.init()
FORMATS = tuple(
    # These run other programs, or know an image without its pixels.
    sorted(set(Image.OPEN) - {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
)
SUFFIXES = frozenset(
    suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS
)
"""Endings of image files, in small letters."""
_PHOTOMETRIC, _BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 262, 258, 281  # tags of TIFF
_NEW_SUBFILE_TYPE, _DNG_VERSION = 254, 50706
_REDUCED = 1
"""Bit of the former: another page of the file has the picture in full."""
_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = {
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
}
"""How images begin that are not read here, and what they are."""
_DARK, _FEW = 24, 0.005
"""Up to which value all but so few are nearly black."""
Shade = Literal["", "black", "white"]
T = TypeVar("T")


class Undecodable(Exception):
    """The bytes are no image that can be used; the message says why."""


class Unreadable(Undecodable):
    """It is not the bytes that are to blame: another time they may be read, and decoded."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A decoded picture in its own size.

    Attributes:
        picture: RGB, upright.
        bits: Of each channel, in the file.
        kind: Of the file, by its content: Pillow's name, such as ``JPEG``.
    """

    picture: Image.Image
    bits: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image.

    Attributes:
        pixels: (S, S, 3), uint8, RGB.
        size: Width and height before resizing, in pixels, upright.
        bits: Of each channel, in the file.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    bits: int

    @property
    def shade(self) -> Shade:
        """Whether next to nothing but black or white came out."""
        few = _FEW * self.pixels.size
        if np.count_nonzero(self.pixels > _DARK) < few:
            return "black"
        return "white" if np.count_nonzero(self.pixels < 255 - _DARK) < few else ""


def read_file(path: Path) -> bytes:
    """Read a file that should be an image, without waiting for one that never ends.

    Raises:
        Unreadable: It cannot be read.
        Undecodable: It is no plain file, or larger than `MAX_BYTES`.
    """
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Undecodable("not a plain file")
            if status.st_size > MAX_BYTES:
                raise Undecodable(f"{status.st_size / 1e9:,.1f} GB: too large for an image")
            return file.read(status.st_size + 1)  # what has no size is a device in disguise
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error


@contextmanager
def reading(path: Path) -> Iterator[bytes]:
    """The content of a file, as by `read_file`; in the block no other large one is held."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error
    with large_file(size):
        yield read_file(path)


def is_image(path: Path) -> bool:
    """Whether a plain file begins like an image."""
    try:
        with _open(path) as file:
            if file.read(len(_PNG)) == _PNG:  # Pillow refuses one with long texts
                return True
            file.seek(0)
            with Image.open(file, formats=FORMATS):
                return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # Pillow's plugins raise many kinds on what is none
        return False


def pixel_count(data: bytes) -> int:
    """How many pixels the header of an image's file says it has; 0 if it is none."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height
    except Image.DecompressionBombError:
        return MAX_PIXELS + 1
    except Exception:  # Pillow's plugins raise many kinds on what is none
        bare = _without_texts(data)
        return pixel_count(bare) if len(bare) < len(data) else 0


def _open(path: Path) -> BinaryIO:
    """Open for reading, without waiting for another program's writing."""
    flag = getattr(os, "O_NONBLOCK", 0)
    opener = lambda name, flags: os.open(name, flags | flag)  # noqa: E731
    return open(path, "rb", opener=opener)  # pathlib takes no opener


def decode(data: bytes, image_size: int, input_: InputSpec = STUDY_INPUT) -> Decoded:
    """Decode an image by its content and make a square of it.

    EXIF orientation is applied, transparency is put on white, of an animation the first frame is
    taken, and greys of more than 8 bits are scaled to 8. Metadata decide nothing, however long or
    damaged they are.

    Args:
        data: A file's bytes.
        image_size: Side of the square in pixels.
        input_: How the square is made; as in the study, the aspect ratio is not kept.

    Raises:
        Undecodable: They are no image, a damaged one, or a decompression bomb.
    """

    def take(opened: Opened) -> Decoded:
        square = make_square(opened.picture, image_size, input_)
        return Decoded(pixels=np.asarray(square), size=opened.picture.size, bits=opened.bits)

    return open_picture(data, take)


def open_picture(data: bytes, take: Callable[[Opened], T]) -> T:
    """Decode an image by its content, as `decode` does, and make something of it.

    Args:
        data: A file's bytes.
        take: Called once with the picture, which is closed afterwards.

    Raises:
        Unreadable: There is not enough memory.
        Undecodable: They are no image, a damaged one, or a decompression bomb.
    """
    try:
        return _open_picture(data, take)
    except UnidentifiedImageError as error:
        other = next((kind for start, kind in _OTHERS.items() if data.startswith(start)), None)
        raise Undecodable(f"{other}; convert it" if other else "not an image") from error
    except Image.DecompressionBombError as error:
        raise Undecodable("too many pixels: a decompression bomb") from error
    except MemoryError as error:
        raise Unreadable("there is not enough memory to decode it") from error
    except Undecodable:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        bare = _without_texts(data)
        if len(bare) < len(data):
            return open_picture(bare, take)
        raise Undecodable(f"damaged: {error or type(error).__name__}") from error


def _open_picture(data: bytes, take: Callable[[Opened], T]) -> T:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise Undecodable(f"{image.width} x {image.height} pixels: too large")
        if _is_raw(image, data):
            raise Undecodable("a camera's raw file, of which a preview alone is read; convert it")
        bits, kind = _bits(image), image.format or ""
        with large_picture(pixels):
            image.load()
            _turn_upright(image)
            return take(Opened(picture=_rgb(image), bits=bits, kind=kind))


def _is_raw(image: Image.Image, data: bytes) -> bool:
    """Whether what Pillow takes for a TIFF file is a camera's, which begins with a preview."""
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    if not tags:
        return False
    kind = tags.get(_NEW_SUBFILE_TYPE)
    reduced = isinstance(kind, int) and kind & _REDUCED
    return bool(reduced) or _DNG_VERSION in tags or data[8:10] == b"CR"


def _without_texts(data: bytes) -> bytes:
    """A PNG file without texts and colour profiles, which Pillow refuses if they are long."""
    if not data.startswith(_PNG):
        return data
    kept, place = [data[:8]], 8
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _turn_upright(image: Image.Image) -> None:
    # Pillow raises many kinds on damaged EXIF data; the pixels are sound.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _bits(image: Image.Image) -> int:
    if image.mode in ("I", "F"):
        return 32
    return 16 if ";16" in f"{image.mode}{getattr(image, 'tile', '')}" else 8


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey = np.nan_to_num(np.asarray(image, dtype=np.float32))
        grey *= 255 / _white(image, float(grey.max()))
        grey = grey.clip(0, 255).round().astype(np.uint8)
        return Image.fromarray(255 - grey if _white_is_zero(image) else grey).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _white(image: Image.Image, brightest: float) -> float:
    """Value of white in a grey image of more than 8 bits, given its largest value."""
    tags = getattr(image, "tag_v2", {})
    stated = (tags.get(_MAX_SAMPLE_VALUE) or (0,))[0]
    if stated > 0 and brightest <= stated:
        return float(stated)
    if image.mode.startswith("I;16"):
        return 2.0 ** min(tags.get(_BITS_PER_SAMPLE) or (16,)) - 1
    if image.format == "PPM" and image.mode == "I":
        return 65535
    # 32-bit and float files do not say: take the narrowest usual range that holds their values;
    # floats that were interpolated overshoot.
    over = 1.1 if image.mode == "F" else 1
    return next((white for white in (1, 255, 4095, 65535) if brightest <= over * white), brightest)


def _white_is_zero(image: Image.Image) -> bool:
    return bool(getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0)
