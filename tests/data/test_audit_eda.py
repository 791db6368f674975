"""Exploration: what is doubtful is listed, the tables count right, the pictures are drawn."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.data.checks import audit, warnings
from benchmark.data.eda import (
    class_pictures,
    class_table,
    draw_classes,
    findings_table,
    size_table,
    summary,
    summary_table,
    write_exploration,
)
from benchmark.data.findings import Finding
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import folder_source
from benchmark.data.splits import SPLITS
from tests.conftest import COLOURS
from tests.data.images import png, write_tree

DRAWN = ((31, 119, 180), (255, 127, 14), (44, 160, 44))  # train, val, test
BAR_BORDERS = np.array([37, 68])  # between three bars, in hundredths of the width
SIZES = {(240, 240): 12, (320, 180): 6, (50, 90): 3, (61, 60): 1}


def prepared(folder: Path, home: Path) -> PreparedData:
    source = folder_source(folder)
    return prepare(source, image_size=16, seed=0, home=home)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Classes of 20, 10 and 6 images; a copy, a conflict, two files that are no images."""
    folder = tmp_path_factory.mktemp("data") / "monsters"
    write_tree(folder, {"abra": 19, "kadabra": 9, "zubat": 6})
    copied = (folder / "abra" / "004.png").read_bytes()
    (folder / "abra" / "copy.png").write_bytes(copied)
    (folder / "kadabra" / "taken.png").write_bytes(copied)
    (folder / "kadabra" / "broken.jpg").write_bytes(b"broken")
    (folder / "zubat" / "half.png").write_bytes(png("whole", (64, 64))[:300])
    return prepared(folder, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Images of known sizes."""
    folder = tmp_path_factory.mktemp("sized")
    sizes = [size for size, count in SIZES.items() for _ in range(count)]
    for index, size in enumerate(sizes):
        file = folder / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(png(str(index), size))
    return prepared(folder, tmp_path_factory.mktemp("home"))


def drawn(file: Path) -> tuple[int, int]:
    """A picture's size, after a look that it is one and not blank."""
    with Image.open(file) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    ink = (pixels != pixels[0, 0]).any(axis=2)
    assert 0.01 < ink.mean() < 0.9
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    return image.size


def test_findings_are_conflicts_then_copies_then_left_out(data: PreparedData) -> None:
    findings = audit(data)
    assert findings[:4] == [
        Finding(kind="copy in another class", name="kadabra/taken.png", detail="of abra/004.png"),
        Finding(kind="tiny class", name="zubat", detail="6 images"),
        Finding(kind="copy", name="abra/copy.png", detail="of abra/004.png"),
        Finding(kind="left out", name="kadabra/broken.jpg", detail="not an image"),
    ]
    assert [(finding.kind, finding.name) for finding in findings[4:]] == [
        ("left out", "zubat/half.png")
    ]
    assert findings[4].detail.startswith("damaged: ")


def test_classes_that_are_hard_to_compare_are_named(tmp_path: Path) -> None:
    counts = {"many": 99, "few": 9, "Cat": 12, "cat": 12}
    data = prepared(write_tree(tmp_path / "mine", counts), tmp_path)
    told = {(finding.kind, finding.name): finding.detail for finding in audit(data)}
    assert told == {
        ("class names alike", "Cat"): "also written 'cat': taken for classes of their own",
        ("tiny class", "few"): "9 images",
        ("imbalance", "many"): "99 images, 11 times as many as of few",
    }
    lines = ["class names alike: Cat", "tiny class: few", "imbalance: many"]
    assert warnings(data)[:3] == lines


def test_small_classes_are_not_gone_through_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared(write_tree(tmp_path / "mine", {f"class{i}": 3 for i in range(9)}), tmp_path)
    too_small = Mock(return_value={})
    monkeypatch.setattr(PreparedData, "too_small", too_small)
    assert [one.kind for one in audit(data)] == ["tiny class"] * 9
    assert too_small.call_count <= 2


def test_clean_data_has_no_findings(sized: PreparedData) -> None:
    assert audit(sized) == []
    table = findings_table(sized)
    assert list(table.columns) == ["kind", "name", "detail"]
    assert len(table) == 0


def test_copies_stay_in_one_part(data: PreparedData) -> None:
    rows = [i for i, sample in enumerate(data.samples) if sample.digest == _copied(data)]
    assert len(rows) == 3
    assert len(set(data.splits[rows].tolist())) == 1


def _copied(data: PreparedData) -> str:
    (digest,) = (s.digest for s in data.samples if s.name == "abra/004.png")
    return digest


def test_class_table_counts_images_and_parts(data: PreparedData) -> None:
    table = class_table(data)
    assert list(table.columns) == ["class", "images", "train", "val", "test"]
    assert table["class"].tolist() == ["abra", "kadabra", "zubat"]
    assert table["images"].tolist() == [20, 10, 6]
    assert (table[["train", "val", "test"]].sum(axis=1) == table["images"]).all()
    for split in SPLITS:
        for label, count in zip(table["class"], table[split], strict=True):
            rows = data.rows(split)
            assert [data.samples[row].label for row in rows].count(label) == count >= 1


def test_size_table_lists_the_most_common_first(
    sized: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = size_table(sized)
    assert list(table[["width", "height", "images"]].itertuples(index=False, name=None)) == [
        (width, height, count) for (width, height), count in SIZES.items()
    ]
    assert table["share"].tolist() == pytest.approx([12 / 22, 6 / 22, 3 / 22, 1 / 22])
    monkeypatch.setattr("benchmark.data.eda._SIZES", 2)
    assert len(size_table(sized)) == 2


def test_summary_counts(data: PreparedData) -> None:
    numbers = summary(data)
    parts = {split: numbers.pop(f"{split}_images") for split in SPLITS}
    assert sum(parts.values()) == 36
    assert parts["train"] > 3 * parts["test"] > 0
    assert numbers == {
        "images": 36,
        "classes": 3,
        "smallest_class": 6,
        "median_class": 10,
        "largest_class": 20,
        "left_out": 2,
    }
    assert dict(summary_table(data).itertuples(index=False, name=None)) == summary(data)


def test_exploration_is_written_as_tables_and_pictures(data: PreparedData, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    write_exploration(data, folder)
    assert sorted(file.name for file in folder.iterdir()) == [
        "class_distribution.png",
        "classes.csv",
        "classes.png",
        "classes.webp",
        "findings.csv",
        "image_sizes.png",
        "sizes.csv",
        "splits.csv",
        "summary.csv",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(folder / "classes.csv"), class_table(data))
    pd.testing.assert_frame_equal(pd.read_csv(folder / "findings.csv"), findings_table(data))
    pd.testing.assert_frame_equal(pd.read_csv(folder / "summary.csv"), summary_table(data))
    assert pd.read_csv(folder / "sizes.csv")["images"].tolist() == [36]
    assert drawn(folder / "class_distribution.png") == (700, 450)
    assert drawn(folder / "image_sizes.png") == (600, 500)


def test_manifest_says_where_each_image_went(data: PreparedData, tmp_path: Path) -> None:
    write_exploration(data, tmp_path)
    manifest = pd.read_csv(tmp_path / "splits.csv")
    assert list(manifest.columns) == ["image", "class", "split"]
    assert manifest["image"].tolist() == [sample.name for sample in data.samples]
    counts = pd.crosstab(manifest["class"], manifest["split"])[list(SPLITS)]
    assert (counts.to_numpy() == class_table(data)[list(SPLITS)].to_numpy()).all()


def test_bars_stack_each_classs_parts(data: PreparedData, tmp_path: Path) -> None:
    write_exploration(data, tmp_path)
    with Image.open(tmp_path / "class_distribution.png") as image:
        pixels = np.asarray(image.convert("RGB"))[60:]  # below the title and the legend
    heights = [(pixels == colour).all(axis=2).sum(axis=0) for colour in DRAWN]
    drawn_bars = np.split(np.array(heights), BAR_BORDERS * pixels.shape[1] // 100, axis=1)
    bars = [np.median(bar[:, bar.any(axis=0)], axis=1) for bar in drawn_bars]
    expected = class_table(data)[list(SPLITS)].to_numpy()
    np.testing.assert_allclose(np.array(bars) / bars[0][0], expected / expected[0][0], atol=0.03)


def test_every_class_has_its_own_picture_in_the_order_of_the_table(
    image_folder: Path, tmp_path: Path
) -> None:
    data = prepared(image_folder, tmp_path)
    write_exploration(data, tmp_path / "eda")
    with Image.open(tmp_path / "eda" / "classes.webp") as sheet:
        assert sheet.size == (32, 32)
        pictures = class_pictures(sheet, 3)
    assert class_table(data)["class"].tolist() == list(COLOURS)
    for picture, colour in zip(pictures, COLOURS.values(), strict=True):
        assert picture.size == (16, 16)
        shown = np.asarray(picture)  # 40 x 30 pixels, in their true shape on white
        np.testing.assert_allclose(shown[4:-4].mean(axis=(0, 1)), colour, atol=25)
        assert (shown[:2] > 200).all()


@pytest.mark.parametrize(("classes", "columns", "rows"), [(2, 2, 1), (4, 2, 2), (5, 3, 2)])
def test_the_sheet_of_classes_is_about_square(
    classes: int, columns: int, rows: int, tmp_path: Path
) -> None:
    data = prepared(write_tree(tmp_path / "some", {f"c{i}": 3 for i in range(classes)}), tmp_path)
    assert draw_classes(data).size == (16 * columns, 16 * rows)


def test_class_too_small_for_a_train_image_has_its_picture(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "few", {"a": 5, "b": 1, "c": 5})
    data = prepared(folder, tmp_path)
    pictures = class_pictures(draw_classes(data), 3)
    for label, picture in enumerate(pictures):
        shown = [Image.fromarray(data.images[row]) for row in np.flatnonzero(data.labels == label)]
        size = data.shown_size(0, 16)
        centred = picture.crop((0, (16 - size[1]) // 2, 16, (16 - size[1]) // 2 + size[1]))
        assert any(
            centred.tobytes() == one.resize(size, Image.Resampling.LANCZOS).tobytes()
            for one in shown
        )


def test_picture_of_many_classes_is_wider(tmp_path: Path) -> None:
    many = write_tree(tmp_path / "many", {f"class{i:03d}": 3 for i in range(80)})
    write_exploration(prepared(many, tmp_path), tmp_path / "eda")
    width, height = drawn(tmp_path / "eda" / "class_distribution.png")
    assert width == pytest.approx(100 * (0.13 * 80 + 2), abs=2)
    assert height == 450


def test_names_are_shown_as_they_are_not_as_formulas(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "$_$", {"$\\foo$": 3, "a_b^c": 3})
    write_exploration(prepared(folder, tmp_path), tmp_path / "eda")
    assert drawn(tmp_path / "eda" / "class_distribution.png") == (700, 450)
    assert pd.read_csv(tmp_path / "eda" / "classes.csv")["class"].tolist() == ["$\\foo$", "a_b^c"]
