"""Fewer images to train on: all others stay, and stay where they are."""

from pathlib import Path

import pytest

from benchmark.data.demo import DemoSpec
from benchmark.data.limits import limit_training
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.selection import find_images, select_images
from benchmark.data.sources import Source, demo_source, folder_source
from benchmark.study.config import Config, DataConfig
from tests.data.images import write_tree


def names(data: PreparedData) -> dict[str, set[str]]:
    return {
        split: {data.samples[row].name for row in data.rows(split)}
        for split in ("train", "val", "test")
    }


def prepared(source: Source, home: Path) -> PreparedData:
    return prepare(source, image_size=16, seed=0, home=home)


@pytest.fixture
def colours(image_folder: Path) -> Source:
    """14 images of each of three classes: 10 train, 2 val, 2 test."""
    return folder_source(image_folder)


def test_only_the_training_part_shrinks(colours: Source, tmp_path: Path) -> None:
    whole = names(prepared(colours, tmp_path))
    fewer = names(prepared(limit_training(colours, 4, 0), tmp_path))
    assert fewer["train"] < whole["train"]
    assert len(fewer["train"]) == 3 * 4
    assert (fewer["val"], fewer["test"]) == (whole["val"], whole["test"])


def test_a_limit_that_is_not_reached_changes_no_part(colours: Source, tmp_path: Path) -> None:
    many = names(prepared(limit_training(colours, 99, 0), tmp_path))
    assert many == names(prepared(colours, tmp_path))
    assert limit_training(colours, None, 0) is colours


def test_a_small_test_part_that_is_given_stays_whole(tmp_path: Path) -> None:
    counts = {"train/a": 20, "train/b": 20, "test/a": 3, "test/b": 3}
    source = folder_source(write_tree(tmp_path / "mine", counts))
    few = names(prepared(limit_training(source, 2, 0), tmp_path))
    assert {split: len(own) for split, own in few.items()} == {"train": 4, "val": 8, "test": 6}
    assert all(name.startswith("test/") for name in few["test"])


def test_files_that_are_no_images_take_no_place(tmp_path: Path) -> None:
    """With eight broken files of twelve, a part of all may be broken ones alone."""
    folder = write_tree(tmp_path / "mine", {"a": 12, "b": 12})
    for i in range(8):
        (folder / f"a/{i:03d}.png").write_bytes(b"broken")
    for seed in range(3):
        settings = DataConfig(source=str(folder), images_per_class=2, split_seed=seed)
        config = Config(data=settings)
        data = prepared(select_images(config, find_images(config, tmp_path)), tmp_path)
        assert data.too_small() == {}
        assert sum(sample.label == "a" for sample in data.samples) == 4
        assert len(data.left_out) == 8


def test_drawn_species_bring_test_images_of_their_own(tmp_path: Path) -> None:
    spec = DemoSpec(species=2, images_per_species=10, test_images_per_species=7)
    data = prepared(demo_source(spec, DataConfig(), tmp_path), tmp_path)
    assert {split: len(own) for split, own in names(data).items()} == {
        "train": 2 * 8,
        "val": 2 * 2,
        "test": 2 * 7,
    }
    pixels = {image.tobytes() for image in data.images}
    assert len(pixels) == 2 * 17
