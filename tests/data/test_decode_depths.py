"""More or fewer than eight bits a channel become eight, as bright as they were."""

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from benchmark.data.decode import decode
from tests.data.images import encoded, png
from tests.data.test_decode import png_chunks


def grey(value: float, kind: type[np.generic]) -> Image.Image:
    return Image.fromarray(np.full((6, 8), value, kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    pixels = decode(encoded(Image.new("L", (9, 9), 77), kind), 8).pixels
    assert pixels.shape == (8, 8, 3)
    assert (pixels == 77).all()


def test_one_bit_images_are_black_and_white() -> None:
    image = Image.new("1", (40, 20), 0)
    image.paste(1, (20, 0, 40, 20))
    pixels = decode(encoded(image, "PNG"), 16).pixels
    assert (pixels[:, :6] == 0).all()
    assert (pixels[:, -6:] == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_print_and_video_colours_become_rgb(kind: str, mode: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 90)).convert(mode)
    pixels = decode(encoded(image, kind), 8).pixels
    np.testing.assert_allclose(pixels[4, 4], (200, 30, 90), atol=6)


def test_lab_colours_become_rgb() -> None:
    middle_grey = Image.new("LAB", (8, 8), (137, 128, 128))
    pixels = decode(encoded(middle_grey, "TIFF"), 8).pixels
    np.testing.assert_allclose(pixels[0, 0], (128, 128, 128), atol=3)


@pytest.mark.parametrize(
    ("value", "expected"), [(65535, 255), (60000, 233), (25700, 100), (200, 1), (0, 0)]
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_keep_their_brightness(kind: str, value: int, expected: int) -> None:
    pixels = decode(encoded(grey(value, np.uint16), kind), 8).pixels
    assert (pixels == expected).all()


def test_range_that_the_file_states_is_the_range() -> None:
    ramp = np.tile(np.linspace(0, 4095, 16).astype(np.uint16), (16, 1))
    tags = ImageFileDirectory_v2()
    tags[281] = 4095  # MaxSampleValue
    pixels = decode(encoded(Image.fromarray(ramp), "TIFF", tiffinfo=tags), 16).pixels
    np.testing.assert_allclose(pixels[0, :, 0], np.linspace(0, 255, 16), atol=1)
    tags = ImageFileDirectory_v2()
    tags[262] = 0  # WhiteIsZero
    pixels = decode(encoded(Image.fromarray(16 * ramp), "TIFF", tiffinfo=tags), 16).pixels
    np.testing.assert_allclose(pixels[0, :, 0], np.linspace(255, 0, 16), atol=1)


def twelve_bits(values: NDArray[np.uint16]) -> bytes:
    """A TIFF file of packed greys of 12 bits."""
    height, width = values.shape
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(height, width, 2), axis=2)
    strip = np.packbits(bits[:, :, 4:].reshape(height, -1), axis=1).tobytes()
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, height), (279, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = 8 + len(strip)
    return (
        struct.pack("<2sHI", b"II", 42, start) + strip + struct.pack("<H", len(tags)) + entries
    ) + bytes(4)


def test_twelve_bits_fill_the_range() -> None:
    ramp = np.tile(np.linspace(0, 4095, 16).astype(np.uint16), (16, 1))
    pixels = decode(twelve_bits(ramp), 16).pixels
    np.testing.assert_allclose(pixels[0, :, 0], np.linspace(0, 255, 16), atol=1)


@pytest.mark.parametrize("white", [4095, 65535])
def test_dark_16_bit_pnm_stays_dark(white: int) -> None:
    header = f"P5\n8 6\n{white}\n".encode()
    data = header + np.full((6, 8), white // 10, ">u2").tobytes()
    np.testing.assert_allclose(decode(data, 8).pixels, 25.5, atol=1)


def png_of_16_bits(pixels: NDArray[np.uint16]) -> bytes:
    """A PNG file of 16 bits in each of three channels, which Pillow does not write."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png_chunks(struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0), zlib.compress(rows))


@pytest.mark.parametrize(
    ("data", "shade", "bits"),
    [
        (encoded(grey(4000, np.uint16), "PNG"), "black", 16),
        (png_of_16_bits(np.full((6, 8, 3), 4000, np.uint16)), "black", 16),
        (png_of_16_bits(np.full((6, 8, 3), 30_000, np.uint16)), "", 16),
        (encoded(grey(1e-3, np.float32), "TIFF"), "black", 32),
        (encoded(grey(0.9, np.float32), "TIFF"), "", 32),
        (encoded(Image.new("RGB", (9, 9), (250, 255, 251)), "PNG"), "white", 8),
        (encoded(Image.new("L", (9, 9), 20), "JPEG"), "black", 8),
        (png("noise"), "", 8),
    ],
)
def test_nearly_black_and_white_pictures_are_marked(data: bytes, shade: str, bits: int) -> None:
    decoded = decode(data, 16)
    assert (decoded.shade, decoded.bits) == (shade, bits)


def test_drawing_on_white_is_not_nearly_white() -> None:
    drawing = Image.new("L", (64, 64), 255)
    drawing.paste(0, (30, 0, 31, 64))
    assert decode(encoded(drawing, "PNG"), 64).shade == ""


@pytest.mark.parametrize(
    ("kind", "white"),
    [
        (np.int32, 255),
        (np.int32, 4095),
        (np.int32, 65535),
        (np.float32, 1),
        (np.float32, 1.05),
        (np.float32, 255),
    ],
)
def test_32_bits_are_scaled_by_the_range_that_holds_them(
    kind: type[np.generic], white: float
) -> None:
    ramp = np.linspace(0, white, 16).astype(kind)
    image = Image.fromarray(np.tile(ramp, (16, 1)))
    pixels = decode(encoded(image, "TIFF"), 16).pixels
    expected = np.linspace(0, 255 * (1.05 if white == 1.05 else 1), 16).clip(0, 255)
    np.testing.assert_allclose(pixels[0, :, 0], expected, atol=1)


def test_floats_without_a_value_are_black_and_the_others_keep_theirs() -> None:
    values = np.full((8, 8), 0.6, np.float32)
    values[:, :4] = np.nan
    pixels = decode(encoded(Image.fromarray(values), "TIFF"), 8).pixels
    assert (pixels[:, :4] == 0).all()
    assert (pixels[:, 4:] == 153).all()
