"""Prepared data: decoded once, found again by content, rows aligned with their names and labels."""

import os
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.cache import without_writing
from benchmark.data.decode import Decoded, decode
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import Source, folder_source
from registry import InputSpec
from tests.data.images import png, write_tree

SETTINGS: Any = {"image_size": 16, "seed": 0}
COUNTS = {"abra": 5, "bulbasaur": 4, "zubat": 6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "monsters", COUNTS)


def source(folder: Path) -> Source:
    return folder_source(folder)


def prepared(
    folder: Path,
    home: Path,
    *,
    image_size: int = 16,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PreparedData:
    return prepare(source(folder), image_size=image_size, seed=seed, home=home, progress=progress)


def fingerprint(folder: Path, home: Path) -> str:
    return prepared(folder, home).spec.fingerprint


def no_progress(done: int, total: int) -> None:
    raise AssertionError("decoded again")


def test_rows_labels_and_pixels_agree(folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, tmp_path)
    assert data.class_names == ["abra", "bulbasaur", "zubat"]
    assert data.images.shape == (15, 16, 16, 3)
    assert data.images.dtype == np.uint8
    assert [sample.name for sample in data.samples] == sorted(
        f"{label}/{i:03d}.png" for label, count in COUNTS.items() for i in range(count)
    )
    for row, sample in enumerate(data.samples):
        expected = decode((folder / sample.name).read_bytes(), 16)
        np.testing.assert_array_equal(data.images[row], expected.pixels)
        assert sample.label == sample.name.split("/")[0] == data.class_names[data.labels[row]]
        assert (sample.width, sample.height) == expected.size == (8, 6)
    assert data.groups == [sample.group for sample in data.samples]
    assert data.groups is data.groups  # asked for by each image


def test_spec_describes_the_data(folder: Path, tmp_path: Path) -> None:
    spec = prepared(folder, tmp_path, seed=7).spec
    assert (spec.name, spec.image_size, spec.num_classes, spec.num_images, spec.seed) == (
        "monsters",
        16,
        3,
        15,
        7,
    )
    assert len(spec.fingerprint) == 16


def test_progress_counts_every_file(folder: Path, tmp_path: Path) -> None:
    (folder / "abra" / "broken.png").write_bytes(b"broken")
    calls: list[tuple[int, int]] = []
    prepared(folder, tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 16) for done in range(1, 17)]


def test_decoding_does_not_run_far_ahead_of_the_disk(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the disk: what is decoded has to wait in memory."""
    begun: list[bytes] = []

    def count(data: bytes, image_size: int, input_: InputSpec) -> Decoded:
        begun.append(data)
        return decode(data, image_size)

    def write_slowly(done: int, total: int) -> None:
        if done == 1:
            time.sleep(0.5)  # in which all could be decoded
        ahead.append(len(begun) - done)

    ahead: list[int] = []
    monkeypatch.setattr("benchmark.data.image_store.AHEAD", 4)
    monkeypatch.setattr("benchmark.data.image_store.decode", count)
    prepared(folder, tmp_path, progress=write_slowly)
    assert len(begun) == 15
    assert max(ahead) < 4


def test_store_is_reused_without_decoding(folder: Path, tmp_path: Path) -> None:
    first = prepared(folder, tmp_path / "home")
    again = prepared(folder, tmp_path / "home", progress=no_progress)
    assert again.spec == first.spec
    assert again.samples == first.samples
    np.testing.assert_array_equal(again.images, first.images)


def test_store_opens_without_its_source(folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, tmp_path / "home")
    folder.rename(tmp_path / "elsewhere")
    reopened = PreparedData(data.spec, tmp_path / "home")
    assert reopened.samples == data.samples
    np.testing.assert_array_equal(reopened.images, data.images)
    np.testing.assert_array_equal(reopened.splits, data.splits)


def test_place_and_folder_name_do_not_matter(folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, tmp_path / "home")
    moved = folder.rename(tmp_path / "moved")
    again = prepared(moved, tmp_path / "home", progress=no_progress)
    assert again.spec.fingerprint == data.spec.fingerprint


def test_bytes_names_labels_and_parts_make_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = [fingerprint(folder, home)]
    (folder / "abra" / "000.png").write_bytes(png("another"))
    found.append(fingerprint(folder, home))
    (folder / "abra" / "000.png").rename(folder / "abra" / "zero.png")
    found.append(fingerprint(folder, home))
    (folder / "abra").rename(folder / "Abra")
    found.append(fingerprint(folder, home))
    (folder / "zubat" / "005.png").unlink()
    found.append(fingerprint(folder, home))
    for split in ("train", "val", "test"):
        (folder / split).mkdir()
        for index, label in enumerate(("Abra", "bulbasaur", "zubat")):
            (folder / split / label).mkdir()
            files = sorted((folder / label).iterdir())
            files[0].rename(folder / split / label / f"{index}.png")
    found.append(fingerprint(folder, home))
    assert len(set(found)) == len(found)


def test_each_image_size_has_its_store(folder: Path, tmp_path: Path) -> None:
    small = prepared(folder, tmp_path / "home", image_size=16)
    large = prepared(folder, tmp_path / "home", image_size=24)
    assert small.spec.fingerprint == large.spec.fingerprint
    assert (small.images.shape[1:3], large.images.shape[1:3]) == ((16, 16), (24, 24))
    np.testing.assert_array_equal(PreparedData(small.spec, tmp_path / "home").images, small.images)


def test_images_are_mapped_not_read_and_never_written_back(folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, tmp_path)
    assert isinstance(data.images, np.memmap)
    data.images[:] = 1
    assert PreparedData(data.spec, tmp_path).images.std() > 10


def test_division_follows_seed_and_folders(folder: Path, tmp_path: Path) -> None:
    data, other = prepared(folder, tmp_path, seed=0), prepared(folder, tmp_path, seed=1)
    assert data.splits.tolist() != other.splits.tolist()
    rows = [data.rows(split) for split in ("train", "val", "test")]
    assert sorted(np.concatenate(rows).tolist()) == list(range(15))
    for split, own in zip(("train", "val", "test"), rows, strict=True):
        assert own.tolist() == sorted(own.tolist())
        assert set(data.splits[own].tolist()) == {split}
        assert set(data.labels[own].tolist()) == {0, 1, 2}

    given = write_tree(
        tmp_path / "given",
        {f"{s}/{label}": n for s, n in (("train", 3), ("val", 1), ("test", 2)) for label in "ab"},
    )
    data = prepared(given, tmp_path)
    assert [sample.name.split("/")[0] for sample in data.samples] == data.splits.tolist()


def test_data_can_be_described_without_keeping_pixels(folder: Path, tmp_path: Path) -> None:
    with without_writing(tmp_path / "home") as home:
        data = prepare(source(folder), **SETTINGS, home=home)
        assert not list(home.rglob("*.npy"))
    assert not (tmp_path / "home").exists()
    kept = prepare(source(folder), **SETTINGS, home=tmp_path / "home")
    assert data.spec == kept.spec
    with without_writing(tmp_path / "home") as home:
        again = prepare(source(folder), **SETTINGS, home=home, progress=no_progress)
    assert again.spec == kept.spec


def test_part_of_a_file_makes_the_fingerprint_and_not_how_it_is_called(tmp_path: Path) -> None:
    home = tmp_path / "home"
    parts = ("train", "valid", "test")
    folder = write_tree(tmp_path / "d", {f"{p}/{name}": 3 for p in parts for name in "ab"})
    (folder / "valid/a/000.png").write_bytes(b"broken")
    first = fingerprint(folder, home)
    (folder / "valid").rename(folder / "Validation")
    renamed = prepared(folder, home)
    assert renamed.spec.fingerprint == first
    assert [sample.name for sample in renamed.samples] == [
        file.name for file in source(folder).files if file.name != "Validation/a/000.png"
    ]
    assert [one.name for one in renamed.left_out] == ["Validation/a/000.png"]
    lone = write_tree(tmp_path / "l", {"test/a": 1, "test/b": 1, "train/b/more": 1})
    of_test = fingerprint(lone, home)
    (lone / "test" / "b" / "000.png").rename(lone / "train" / "b" / "000.png")
    assert fingerprint(lone, home) != of_test  # though the order of all files is the same


def test_normal_form_of_names_does_not_matter(tmp_path: Path) -> None:
    """macOS writes an accent as a character of its own; the data are the same."""
    fingerprints = set()
    for form in ("NFC", "NFD"):
        names = [unicodedata.normalize(form, name) for name in ("Caf\u00e9", "Th\u00e9")]
        folder = tmp_path / form
        for place, name in enumerate(names):
            (folder / name).mkdir(parents=True)
            for index in range(3):
                file = unicodedata.normalize(form, f"\u00e9{index}.png")
                (folder / name / file).write_bytes(png(f"{place}/{index}"))
        fingerprints.add(fingerprint(folder, tmp_path / "home"))
    assert len(fingerprints) == 1


def test_order_of_classes_is_natural(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "digits", {str(i): 3 for i in (0, 1, 10, 2)})
    data = prepared(folder, tmp_path)
    assert data.class_names == ["0", "1", "2", "10"]
    assert [data.samples[row].label for row in np.flatnonzero(data.labels == 3)] == ["10"] * 3


@pytest.mark.skipif(os.name != "posix", reason="file names are Unicode here")
def test_names_that_are_no_text_are_stored(folder: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/abra/\xff.png")).write_bytes(png("other"))
    names = [sample.name for sample in prepared(folder, tmp_path).samples]
    assert "abra/\\xff.png" in names
