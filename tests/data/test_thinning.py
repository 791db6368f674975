"""Thinning: fewer classes and images, evenly spaced, of each part its share."""

from collections import Counter
from pathlib import Path

import pytest

from benchmark.data.prepared import prepare
from benchmark.data.splits import Split
from benchmark.data.thinning import share_out
from tests.data.images import write_tree
from tests.data.trees import FLAT, findings, labels, opened


def test_selection_takes_classes_and_images_evenly(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"class{i}": 9 for i in range(6)})
    source = opened(tmp_path, tmp_path, classes=3, images_per_class=3)
    assert labels(source.files) == {"class0": 3, "class2": 3, "class4": 3}
    assert [file.path.stem for file in source.files] == ["000", "003", "006"] * 3
    assert opened(tmp_path, tmp_path, classes=3, images_per_class=3) == source


def test_selection_of_more_than_there_is_takes_all(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    everything = opened(tmp_path, tmp_path)
    assert labels(everything.files) == FLAT
    assert opened(tmp_path, tmp_path, classes=99, images_per_class=99) == everything


def test_selection_from_a_divided_tree_takes_from_each_part(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 6 for split in ("train", "val", "test") for name in "ab"}
    source = opened(write_tree(tmp_path, counts), tmp_path, images_per_class=6)
    assert Counter((file.label, file.split) for file in source.files) == {
        (name, split): 2 for name in "ab" for split in ("train", "val", "test")
    }


def test_small_held_out_parts_are_not_thinned_away(tmp_path: Path) -> None:
    counts = {"valid/A": 5, "valid/B": 5, "test/A": 5, "test/B": 5, "train/A": 130, "train/B": 200}
    source = opened(write_tree(tmp_path, counts), tmp_path, images_per_class=30)
    assert Counter((file.label, file.split) for file in source.files) == {
        (name, split): n for name in "AB" for split, n in (("train", 22), ("val", 4), ("test", 4))
    }


@pytest.mark.parametrize(
    ("sizes", "count", "shares"),
    [
        ((100, 20, 20), 14, (10, 2, 2)),
        ((100, 1, 1), 3, (1, 1, 1)),
        ((5, 100, 5), 30, (4, 22, 4)),
        ((50, 50, 50), 4, (2, 1, 1)),
        ((3, 3, 3), 9, (3, 3, 3)),
        ((3, 3, 3), None, (3, 3, 3)),
    ],
)
def test_parts_get_their_shares(
    sizes: tuple[int, ...], count: int | None, shares: tuple[int, ...]
) -> None:
    splits: list[Split | None] = ["train", "val", "test"]
    counts = share_out(dict(zip(splits, sizes, strict=True)), count)
    assert tuple(counts[split] for split in splits) == shares


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
    data = prepare(opened(folder, tmp_path, min_images=3), image_size=16, seed=0, home=tmp_path)
    assert data.class_names == ["fine", "good"]
    assert [(one.kind, one.name, one.detail.partition(",")[0]) for one in data.findings] == [
        ("class left out", "broken", "2 different images"),
        ("class left out", "copies", "2 different images"),
    ]
    write_tree(tmp_path / "parts", {f"{p}/{name}": 3 for p in ("train", "test") for name in "ab"})
    write_tree(tmp_path / "parts", {"train/c": 9})
    source = opened(tmp_path / "parts", tmp_path, min_images=3)
    assert prepare(source, image_size=16, seed=0, home=tmp_path).class_names == ["a", "b"]
