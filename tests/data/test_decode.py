"""Decoding: any file that is an image becomes upright RGB, anything else says why not."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmark.data.decode import Undecodable, decode, is_image, pixel_count, read_file
from tests.data.images import encoded, png

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = {"top left": (0, 0), "top right": (0, -1), "low left": (-1, 0), "low right": (-1, -1)}


def quarters(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red, green, blue and white quarters, from the top left in reading order."""
    image = Image.new("RGB", (2, 2))
    image.putdata([RED, GREEN, BLUE, WHITE])
    return image.resize(size, Image.Resampling.NEAREST)


def corners(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    return [tuple(pixels[place].tolist()) for place in CORNERS.values()]


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds no pixels."""
    return png_chunks(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), zlib.compress(b""))


def png_chunks(header: bytes, pixels: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF"])
def test_image_is_resized_to_the_square_and_its_size_reported(kind: str) -> None:
    decoded = decode(encoded(quarters(), kind), 16)
    assert decoded.pixels.shape == (16, 16, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.size == (40, 20)
    np.testing.assert_allclose(corners(decoded.pixels), [RED, GREEN, BLUE, WHITE], atol=20)


def test_image_of_the_right_size_keeps_its_pixels() -> None:
    data = png("square", (16, 16))
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode(data, 16).pixels, np.asarray(image))


@pytest.mark.parametrize("image_size", [16, 64])
def test_resizing_averages_or_interpolates(image_size: int) -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 200
    pixels = decode(encoded(Image.fromarray(stripes), "PNG"), image_size).pixels
    assert pixels.shape == (image_size, image_size, 3)
    assert pixels.mean() == pytest.approx(100, abs=4)
    assert 50 < np.median(pixels) < 150


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_applied(
    kind: str, orientation: int, expected: list[tuple[int, int, int]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(quarters(), kind, exif=exif), 16)
    np.testing.assert_allclose(corners(decoded.pixels), expected, atol=20)
    assert decoded.size == ((40, 20) if orientation <= 4 else (20, 40))


def test_telephones_pictures_are_upright() -> None:
    """A HEIC file of 64 x 32 pixels, red, green, blue and white quarters, turned as by EXIF's 6."""
    decoded = decode((Path(__file__).parent / "turned.heic").read_bytes(), 16)
    assert decoded.size == (32, 64)
    np.testing.assert_allclose(corners(decoded.pixels), [BLUE, RED, WHITE, GREEN], atol=40)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\0\0\0\xff\xff",
        b"Exif\0\0nonsense",
        b"Exif\0\0MM\0*\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_matter(kind: str, exif: bytes) -> None:
    decoded = decode(encoded(quarters(), kind, exif=exif), 16)
    assert decoded.size == (40, 20)
    np.testing.assert_allclose(corners(decoded.pixels), [RED, GREEN, BLUE, WHITE], atol=20)


@pytest.mark.parametrize("key", ["XML:com.adobe.xmp", "comment"])
@pytest.mark.parametrize(("length", "zipped"), [(2_000_000, True), (90_000_000, True), (10, False)])
def test_long_texts_do_not_make_a_picture_damaged(key: str, length: int, zipped: bool) -> None:
    texts = PngInfo()
    texts.add_itxt(key, "x" * length, zip=zipped)
    texts.add_text("other", "y" * 2_000_000, zip=True)
    data = encoded(quarters(), "PNG", pnginfo=texts)
    np.testing.assert_array_equal(
        decode(data, 16).pixels, decode(encoded(quarters(), "PNG"), 16).pixels
    )


def test_many_texts_and_a_long_profile_do_not_matter(tmp_path: Path) -> None:
    texts = PngInfo()
    for number in range(80):
        texts.add_text(f"text{number}", "y" * 1_000_000, zip=True)
    data = encoded(quarters(), "PNG", pnginfo=texts, icc_profile=bytes(5_000_000))
    assert corners(decode(data, 16).pixels) == [RED, GREEN, BLUE, WHITE]
    assert pixel_count(data) == 40 * 20
    (tmp_path / "named").write_bytes(data)
    assert is_image(tmp_path / "named")
    with pytest.raises(Undecodable, match=r"damaged|not an image"):
        decode(data[:-2000], 16)  # the pixels are cut off, too


def transparent(mode: str) -> Image.Image:
    """Left half opaque black, right half transparent black."""
    image = Image.new("LA", (40, 20), (0, 255))
    image.paste((0, 0), (20, 0, 40, 20))
    return image.convert(mode)


def transparent_palette() -> Image.Image:
    image = Image.new("P", (40, 20), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (20, 0, 40, 20))
    return image


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(transparent("RGBA"), "PNG"), id="RGBA"),
        pytest.param(encoded(transparent("LA"), "PNG"), id="LA"),
        pytest.param(encoded(transparent_palette(), "PNG", transparency=1), id="palette index"),
        pytest.param(
            encoded(transparent_palette(), "PNG", transparency=b"\xff\x00"), id="palette alphas"
        ),
        pytest.param(encoded(transparent_palette(), "GIF", transparency=1), id="GIF"),
        pytest.param(encoded(transparent("RGBA"), "WEBP", lossless=True), id="WebP"),
        pytest.param(
            encoded(transparent_palette().convert("RGB"), "PNG", transparency=(200, 0, 0)),
            id="colour key",
        ),
    ],
)
def test_transparency_is_put_on_white(data: bytes) -> None:
    pixels = decode(data, 16).pixels
    assert (pixels[:, :6] == 0).all()
    assert (pixels[:, -6:] == 255).all()


def test_half_transparency_mixes_with_white() -> None:
    data = encoded(Image.new("RGBA", (8, 8), (0, 0, 255, 128)), "PNG")
    np.testing.assert_allclose(decode(data, 8).pixels[0, 0], (127, 127, 255), atol=1)


def test_palette_gives_its_colours() -> None:
    image = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert image.mode == "P"
    pixels = decode(encoded(image, "PNG"), 16).pixels
    assert corners(pixels) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_stands_for_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    np.testing.assert_allclose(decode(data, 8).pixels[4, 4], RED, atol=4)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1)])
def test_extreme_shapes_fill_the_square(size: tuple[int, int]) -> None:
    decoded = decode(encoded(Image.new("RGB", size, RED), "PNG"), 8)
    assert decoded.size == size
    assert (decoded.pixels == RED).all()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (20_000, 10_000), (10_001, 10_000)]
)
def test_decompression_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(Undecodable, match="pixels"):
        decode(png_header(width, height), 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_largest_image_is_not_taken_for_a_bomb() -> None:
    with pytest.raises(Undecodable, match="damaged"):
        decode(png_header(10_000, 10_000), 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_truncated_file_is_damaged(kind: str) -> None:
    with Image.open(io.BytesIO(png("noise", (64, 64)))) as image:
        data = encoded(image, kind)
    with pytest.raises(Undecodable, match=r"damaged|not an image"):
        decode(data[: len(data) // 2], 8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 4096, id="zeros"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="EPS"),
        pytest.param(b"<!DOCTYPE html><title>404</title>", id="HTML"),
        pytest.param(png_header(0, 0), id="no pixels"),
    ],
)
def test_what_is_no_image_says_so(data: bytes) -> None:
    with pytest.raises(Undecodable, match=r"not an image|PostScript; convert it"):
        decode(data, 8)


def test_images_of_other_kinds_are_named() -> None:
    with pytest.raises(Undecodable, match="JPEG XL; convert it"):
        decode(b"\xff\x0a" + bytes(50), 8)


def test_files_too_large_for_an_image_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as sparse:
        sparse.truncate(10**12)
    with pytest.raises(Undecodable, match=r"1,000.0 GB: too large for an image"):
        read_file(file)


@pytest.mark.skipif(not ODD.is_dir(), reason="the odd files are not here")
def test_odd_files_decode_except_those_named_undecodable() -> None:
    shapes: dict[str, tuple[int, int]] = {}
    refused: set[str] = set()
    for file in ODD.iterdir():
        try:
            decoded = decode(file.read_bytes(), 24)
        except Undecodable:
            refused.add(file.name)
        else:
            assert decoded.pixels.shape == (24, 24, 3)
            assert decoded.pixels.std() > 5, file.name
            shapes[file.name] = decoded.size
    assert refused == {file.name for file in ODD.glob("undecodable__*")} != set()
    for name, (width, height) in shapes.items():
        if name.startswith("extreme_aspect__"):
            assert max(width, height) > 3 * min(width, height)
        if name.startswith("tiny__"):
            assert max(width, height) < 50
    # Its pixels lie on their side; EXIF turns them.
    assert shapes["Bulbasaur__pyimg-109.jpg"] == (2448, 3264)
