"""What cannot be read, is too little or is interrupted while it is decoded."""

import shutil
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.checks import audit, check_classes
from benchmark.data.checks import warnings as warnings_of
from benchmark.data.decode import decode
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.selection import find_images, select_images
from benchmark.study.config import Config, DataConfig
from registry import InputSpec
from registry.errors import UserError
from tests.data.images import encoded, png, write_tree
from tests.data.test_prepared import COUNTS, SETTINGS, prepared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "monsters", COUNTS)


def interrupt(done: int, total: int) -> None:
    if done == 3:
        raise KeyboardInterrupt


def stored(home: Path) -> list[str]:
    files = sorted(file.name for file in home.rglob("*") if file.is_file())
    assert files.pop(0) == "CACHEDIR.TAG"
    return files


def test_undecodable_files_are_left_out_and_the_rows_close_up(folder: Path, tmp_path: Path) -> None:
    (folder / "abra" / "002.png").write_bytes(b"<html>")
    (folder / "bulbasaur" / "000.png").write_bytes(png("whole", (64, 64))[:200])
    (folder / "zubat" / "names").write_bytes(b"text")
    data = prepared(folder, tmp_path)
    assert [entry.name for entry in data.left_out] == [
        "zubat/names",
        "abra/002.png",
        "bulbasaur/000.png",
    ]
    assert data.left_out[0].reason == data.left_out[1].reason == "not an image"
    assert data.left_out[2].reason.startswith("damaged: ")
    assert len(data.images) == len(data.labels) == len(data.splits) == data.spec.num_images == 13
    for row, sample in enumerate(data.samples):
        expected = decode((folder / sample.name).read_bytes(), 16).pixels
        np.testing.assert_array_equal(data.images[row], expected)


def test_class_without_an_image_is_no_class(folder: Path, tmp_path: Path) -> None:
    (folder / "papers").mkdir()
    (folder / "papers" / "one.pdf").write_bytes(b"%PDF-1.4")
    data = prepared(folder, tmp_path)
    assert data.class_names == ["abra", "bulbasaur", "zubat"]
    assert data.spec.num_classes == 3


def test_classes_of_which_nothing_can_be_read_are_told(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "abra").iterdir():
        file.write_bytes(b"broken")
    data = prepared(folder, tmp_path)
    assert data.class_names == ["bulbasaur", "zubat"]
    assert [(one.kind, one.name) for one in data.findings] == [("no images", "abra")]
    assert "no images: abra" in warnings_of(data)
    assert "5 files left out; bench data DIR lists all" in warnings_of(data)


def test_one_class_is_too_few(folder: Path, tmp_path: Path) -> None:
    for file in [*folder.glob("a*/*"), *folder.glob("b*/*")]:
        file.write_bytes(b"broken")
    data = prepared(folder, tmp_path)  # can be explored
    with pytest.raises(UserError, match="monsters has images of one class, 'zubat'; two are"):
        check_classes(data)


def test_nothing_that_can_be_read_is_an_error_with_an_example(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*/*"):
        file.write_bytes(b"broken")
    with pytest.raises(
        UserError, match=r"monsters has no image that can be read: abra/000.png, not"
    ):
        prepared(folder, tmp_path)


def test_interrupted_decoding_leaves_nothing_and_the_next_is_whole(
    folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with pytest.raises(KeyboardInterrupt):
        prepared(folder, home, progress=interrupt)
    assert stored(home) == []
    calls: list[int] = []
    data = prepared(folder, home, progress=lambda done, total: calls.append(done))
    assert len(calls) == 15
    assert stored(home) == ["images.npy", "index.json"]
    np.testing.assert_array_equal(
        data.images[-1], decode((folder / "zubat/005.png").read_bytes(), 16).pixels
    )


def test_interruption_does_not_wait_for_the_rest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []

    def counted(data: bytes, image_size: int, input_: InputSpec) -> object:
        decoded.append(data)
        return decode(data, image_size)

    for index in range(300):
        (folder / "abra" / f"more{index}.png").write_bytes(png(str(index), (64, 64)))
    monkeypatch.setattr("benchmark.data.image_store.decode", counted)
    with pytest.raises(KeyboardInterrupt):
        prepared(folder, tmp_path / "home", progress=interrupt)
    assert len(decoded) < 200


def test_of_two_that_decode_the_same_at_once_both_have_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, names = tmp_path / "home", map(str, count())
    monkeypatch.setattr("benchmark.processes.leftovers.this_process", lambda: next(names))

    def another(done: int, total: int) -> None:
        if done == 1:
            prepared(folder, home)

    data = prepared(folder, home, progress=another)
    assert stored(home) == ["images.npy", "index.json"]
    np.testing.assert_array_equal(data.images, PreparedData(data.spec, home).images)


def test_odd_metadata_prints_no_warning_and_filters_stay(
    folder: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    odd = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    for index in range(40):
        (folder / "abra" / f"{index}.jpg").write_bytes(odd)
    filters = list(warnings.filters)
    prepared(folder, tmp_path / "home")
    assert not recwarn.list
    assert list(warnings.filters) == filters


def test_all_classes_that_are_too_small_are_named_at_once(folder: Path, tmp_path: Path) -> None:
    write_tree(folder, {"mew10": 2, "mew9": 1})
    data = prepared(folder, tmp_path)
    assert [one.name for one in audit(data) if one.kind == "too few images"] == ["mew9", "mew10"]
    with pytest.raises(UserError) as info:
        check_classes(data)
    assert str(info.value) == (
        "2 classes have too few images for a train, a val and a test part (1 different image, none "
        "for train and val: 'mew9'; 2 different images, none for train: 'mew10'); add different "
        "images, or leave such classes out: --set data.min_images=3"
    )
    config = Config(data=DataConfig(source=str(folder), min_images=3))
    source = select_images(config, find_images(config, tmp_path))
    check_classes(prepare(source, **SETTINGS, home=tmp_path))


def test_classes_are_not_left_out_where_fewer_than_two_would_stay(
    folder: Path, tmp_path: Path
) -> None:
    shutil.rmtree(folder)
    write_tree(folder, {"mew": 1, "abra": 9})
    with pytest.raises(UserError, match=r"'mew'\); add different images$"):
        check_classes(prepared(folder, tmp_path))
