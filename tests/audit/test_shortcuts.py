"""What of a file tells its class: found where it does, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.audit import shortcuts
from benchmark.audit.shortcuts import find_shortcuts, shortcut_warnings
from benchmark.data.cache import without_writing
from benchmark.data.looks import Look
from benchmark.data.prepared import prepare
from benchmark.data.selection import find_images, select_images
from benchmark.study.config import Config, DataConfig


def looks(sizes: Iterator[int]) -> list[Look]:
    grey = (100.0, 100.0, 100.0)
    return [
        Look(
            width=size,
            height=50,
            bytes=1000,
            kind="PNG",
            colour=grey,
            border=grey,
            border_spread=5,
            brightness=100,
            contrast=50,
            sharpness=0.2,
        )
        for size in sizes
    ]


@pytest.mark.parametrize("leak", [False, True])
def test_a_property_tells_the_class_only_where_it_does(leak: bool) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    noise = rng.integers(0, 40, 180)
    sizes = (int(n + 30 * label * leak) for n, label in zip(noise, labels, strict=True))
    table = find_shortcuts(looks(sizes), labels, rng.random(180) < 0.7, 0)
    told = dict(zip(table["property"], table["tells_the_class"], strict=True))
    assert told == dict.fromkeys(told, "no") | {"width": "yes" if leak else "no"}


def test_some_of_very_many_images_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_MOST", 90)
    labels, trained = np.repeat([0, 1, 2], 60), np.tile([True, True, False], 60)
    seen = looks(int(40 + label) for label in labels)
    row = find_shortcuts(seen, labels, trained, 0).set_index("property").loc["width"]
    assert (row["accuracy"], row["tells_the_class"]) == (1, "yes")
    assert 15 < row["images"] < 60


def test_what_tells_less_than_chance_is_no_shortcut() -> None:
    """Widths whose classes change places between the parts mislead a forest."""
    labels = np.repeat([0, 1], 60)
    trained = np.tile([True, False], 60)
    sizes = (int(40 + 20 * label) for label in np.where(trained, labels, 1 - labels))
    row = find_shortcuts(looks(sizes), labels, trained, 0).set_index("property").loc["width"]
    assert (row["accuracy"], row["tells_the_class"]) == (0, "no")


@pytest.mark.parametrize("leak", [False, True])
def test_a_run_begins_with_what_tells_the_class_found_out_once(
    leak: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for row in range(60):
        height = int(rng.integers(32, 60)) + 30 * leak * (row % 3)
        picture = Image.fromarray(rng.integers(0, 256, (height, 40, 3), np.uint8))
        file = tmp_path / f"data/{row % 3}/{row}.bmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    config, home = Config(data=DataConfig(source=str(tmp_path / "data"))), tmp_path / "home"
    examined = find_images(config, home)
    data = prepare(select_images(config, examined), image_size=32, seed=0, home=home)
    told = shortcut_warnings(data, examined, home)
    if leak:
        (line,) = told
        assert line.startswith("shortcut: ")
        assert "height alone tells the class of " in line
        assert "width" not in line
        assert line.endswith("of the images not trained on; see bench data DIR --audit")
    else:
        assert told == []
    monkeypatch.delattr("benchmark.audit.shortcuts.find_shortcuts")
    assert shortcut_warnings(data, examined, home) == told
    with without_writing(home) as other:
        assert shortcut_warnings(data, examined, other) == told


@pytest.mark.parametrize("trained", [True, False])
def test_nothing_is_told_without_images_to_test_on_or_to_fit_to(trained: bool) -> None:
    labels = np.repeat([0, 1], 4)
    told = find_shortcuts(looks(iter(range(8))), labels, np.full(8, trained), 0)
    assert told.empty
    assert {"property", "accuracy", "tells_the_class"} <= set(told.columns)


def test_of_copies_one_is_counted_and_what_was_not_seen_is_left_out() -> None:
    labels = np.repeat([0, 1], 60)
    seen: list[Look | None] = [*looks(int(40 + label) for label in labels)]
    seen[59] = None
    groups = [f"{row // 3}" for row in range(120)]  # 20 images a class, three times each
    trained = np.tile(np.repeat([True, False], 3), 20)
    told = find_shortcuts(seen, labels, trained, 0, ("width",), groups)
    assert told["images"].tolist() == [20]
    alone = find_shortcuts(seen, labels, trained, 0, ("width",))
    assert alone["images"].tolist() == [59]
