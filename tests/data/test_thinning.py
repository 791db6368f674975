"""Thinning: fewer classes, evenly spaced."""

from pathlib import Path
from typing import Any

from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.selection import find_images, select_images
from benchmark.data.sources import Source
from benchmark.study.config import Config, DataConfig
from tests.data.images import write_tree
from tests.data.trees import FLAT, findings, labels, opened

SETTINGS: Any = {"image_size": 16, "seed": 0}


def selected(folder: Path, home: Path, **settings: int) -> Source:
    config = Config(data=DataConfig(source=str(folder), **settings))
    return select_images(config, find_images(config, home))


def prepared(folder: Path, home: Path, **settings: int) -> PreparedData:
    return prepare(selected(folder, home, **settings), **SETTINGS, home=home)


def test_selection_takes_classes_evenly(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"class{i}": 9 for i in range(6)})
    source = opened(tmp_path, tmp_path, classes=3)
    assert labels(source.files) == {"class0": 9, "class2": 9, "class4": 9}
    assert opened(tmp_path, tmp_path, classes=3) == source


def test_selection_of_more_than_there_is_takes_all(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    everything = opened(tmp_path, tmp_path)
    assert labels(everything.files) == FLAT
    assert opened(tmp_path, tmp_path, classes=99) == everything


def test_classes_are_spaced_in_natural_order(tmp_path: Path) -> None:
    write_tree(tmp_path, {str(number): 1 for number in range(20)})
    assert list(labels(opened(tmp_path, tmp_path, classes=4).files)) == ["0", "5", "10", "15"]


def test_small_classes_are_left_out_before_classes_are_chosen(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"class{i}": 2 if i % 2 else 5 for i in range(6)})
    source = opened(tmp_path, tmp_path, min_images=3, classes=3)
    assert labels(source.files) == {"class0": 5, "class2": 5, "class4": 5}
    assert findings(source) == [("class left out", f"class{i}") for i in (1, 3, 5)]
    assert source.findings[0].detail == "2 images"


def test_classes_that_turn_out_too_small_are_left_out(tmp_path: Path) -> None:
    """Copies and broken files do not count, and each part needs an image."""
    folder = write_tree(tmp_path / "few", {"copies": 2, "broken": 2, "fine": 5, "good": 5})
    (folder / "copies" / "more.png").write_bytes((folder / "copies" / "000.png").read_bytes())
    (folder / "broken" / "more.png").write_bytes(b"broken")
    data = prepared(folder, tmp_path, min_images=3)
    assert data.class_names == ["fine", "good"]
    left_out = [one for one in data.findings if one.kind == "class left out"]
    assert [(one.name, one.detail.partition(",")[0]) for one in left_out] == [
        ("broken", "2 different images"),
        ("copies", "2 different images"),
    ]
    write_tree(tmp_path / "parts", {f"{p}/{name}": 3 for p in ("train", "test") for name in "ab"})
    write_tree(tmp_path / "parts", {"train/c": 9})
    assert prepared(tmp_path / "parts", tmp_path, min_images=3).class_names == ["a", "b"]


def test_classes_are_counted_before_their_images_are_limited(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "mine", {"a": 20, "b": 20, "c": 10})
    data = prepared(folder, tmp_path, min_images=11, images_per_class=4)
    assert data.class_names == ["a", "b"]
    assert data.rows("train").size == 2 * 4


def test_images_are_decoded_once_though_a_class_is_left_out(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "mine", {"a": 5, "b": 5, "c": 3})
    (folder / "c/002.png").write_bytes((folder / "c/001.png").read_bytes())
    decoded: list[int] = []
    source = selected(folder, tmp_path, min_images=3)
    prepare(source, **SETTINGS, home=tmp_path, progress=lambda done, _: decoded.append(done))
    assert decoded == list(range(1, 11))
    assert len([*tmp_path.rglob("images.npy")]) == 1
