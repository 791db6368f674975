"""Pictures in hand become the very pixels that their files become."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.classifier.collection import collect
from benchmark.classifier.pictures import as_list, name_of, read_picture
from registry import UserError


def picture(kind: str, folder: Path) -> Path:
    """Write a picture of a kind that is not read as it lies."""
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 4), dtype=np.uint8)
    image = Image.fromarray(noise)
    file = folder / f"{kind}.png"
    match kind:
        case "rgb":
            image.convert("RGB").save(file)
        case "transparent":
            image.save(file)
        case "palette":
            image.convert("RGB").quantize(8).save(file, transparency=0)
        case "grey":
            image.convert("L").save(file)
        case "deep":
            Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257).save(file)
        case "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            image.convert("RGB").save(file := folder / "turned.jpg", exif=exif)
        case "cmyk":
            image.convert("RGB").convert("CMYK").save(file := folder / "cmyk.jpg")
    return file


@pytest.mark.parametrize(
    "kind", ["rgb", "transparent", "palette", "grey", "deep", "turned", "cmyk"]
)
def test_opened_picture_is_what_its_file_is(tmp_path: Path, kind: str) -> None:
    file = picture(kind, tmp_path)
    wanted = read_picture(file, 32).pixels
    assert wanted.shape == (32, 32, 3)
    np.testing.assert_array_equal(read_picture(str(file), 32).pixels, wanted)
    np.testing.assert_array_equal(read_picture(Image.open(file), 32).pixels, wanted)


@pytest.mark.parametrize("kind", ["rgb", "transparent", "grey"])
def test_array_is_what_its_file_is(tmp_path: Path, kind: str) -> None:
    file = picture(kind, tmp_path)
    array = np.asarray(Image.open(file))
    wanted = read_picture(file, 32).pixels
    for given in (array, array / 255):
        np.testing.assert_array_equal(read_picture(given, 32).pixels, wanted)


def test_pictures_are_named_by_their_files_or_their_places(tmp_path: Path) -> None:
    file = picture("rgb", tmp_path)
    given: list[Any] = [file, str(file), Image.open(file), np.zeros((2, 2), np.uint8)]
    names = [name_of(one, place) for place, one in enumerate(given)]
    assert names == [str(file), str(file), str(file), "3"]


def test_one_picture_is_a_list_of_one(tmp_path: Path) -> None:
    file = picture("rgb", tmp_path)
    assert as_list("a.png") == ["a.png"]
    assert as_list(file) == [file]
    assert len(as_list(np.zeros((4, 4, 3)))) == 1
    assert len(as_list(np.zeros((5, 4, 4, 3)))) == 5
    assert len(as_list([file, file])) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nowhere.png", r"nowhere\.png cannot be read .No such file"),
        ("/dev/zero", r"/dev/zero cannot be read .not a plain file"),
        (np.zeros((3, 30, 30)), r"an array of \(3, 30, 30\) is no picture"),
        (np.full((30, 30, 3), 9.0), r"an array of float64 from 9.0 to 9.0 is no picture"),
        (np.zeros((30, 30), dtype=np.int32), r"an array of int32 .* give uint8"),
    ],
)
def test_what_is_no_picture_is_told(given: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_picture(given, 32)


def test_damaged_file_is_named(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (40, 40)).save(content, "PNG")
    (tmp_path / "half.png").write_bytes(content.getvalue()[:60])
    with pytest.raises(UserError, match=r"half\.png cannot be read"):
        read_picture(tmp_path / "half.png", 32)


def test_a_file_that_cannot_be_read_takes_nothing_from_the_others(tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    found = collect(["/proc/self/mem", str(picture)], tmp_path)  # as a damaged disk answers
    assert [file.path for file in found.files] == [picture]
    ((name, reason),) = [(one.name, one.reason) for one in found.left_out]
    assert (name, reason) == ("/proc/self/mem", "it cannot be read: Input/output error")
