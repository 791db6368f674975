"""The audit's known answers: wrong labels, a leak of the size, odd images, and a list to mend them.

Classes of shapes that the probe tells apart, with planted faults.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from benchmark.audit.inspection import Inspection, inspect_source
from benchmark.audit.probe import held_out_probabilities, outliers, suspicious_labels
from benchmark.report.audit_page import FILES, write_audit
from benchmark.study.config import Config, DataConfig
from registry.errors import UserError
from tests.data.planted import recompressed

Array = NDArray[np.float32]
SHAPES = ("circle", "cross", "square", "stripes")
EACH = 20
WRONG = {"circle/03.png": "cross", "cross/05.png": "stripes", "square/07.png": "circle"}
"""Images whose folder is another than what they show."""
SIDES = {"cross": 112, "stripes": 128}
"""The leak: images of these classes have sizes of their own."""


def drawn(shape: str, rng: np.random.Generator) -> Image.Image:
    picture = Image.fromarray(rng.integers(150, 256, (8, 8, 3)).astype(np.uint8))
    picture = picture.resize((96, 96), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    left, top = (int(value) for value in rng.integers(5, 40, 2))
    box = (left, top, left + 48, top + 48)
    red, green, blue = (int(value) for value in rng.integers(0, 110, 3))
    ink = (red, green, blue)
    if shape == "circle":
        draw.ellipse(box, fill=ink)
    elif shape == "square":
        draw.rectangle(box, fill=ink)
    elif shape == "cross":
        draw.line((*box[:2], *box[2:]), fill=ink, width=9)
        draw.line((box[0], box[3], box[2], box[1]), fill=ink, width=9)
    else:
        for y in range(0, 96, 12):
            draw.line((0, y, 96, y), fill=ink, width=4)
    return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planted: three wrong labels, a copy, an image of two classes, and four odd ones."""
    folder = tmp_path_factory.mktemp("audit") / "shapes"
    rng = np.random.default_rng(0)
    for label in SHAPES:
        (folder / label).mkdir(parents=True)
        for i in range(EACH):
            name = f"{label}/{i:02}.png"
            picture = drawn(WRONG.get(name, label), rng)
            side = SIDES.get(label, 96)
            picture = picture.resize((side, side), Image.Resampling.BICUBIC)
            picture.save(folder / name)
    with Image.open(folder / "square/00.png") as picture:
        recompressed(picture).save(folder / "square/copy.png")
        picture.filter(ImageFilter.GaussianBlur(12)).save(folder / "square/blurred.png")
        picture.resize((20, 20)).save(folder / "square/tiny.png")
    with Image.open(folder / "cross/00.png") as picture:
        recompressed(picture).save(folder / "circle/taken.png")
    Image.new("RGB", (96, 96), "grey").save(folder / "circle/blank.png")
    return folder


@pytest.fixture(scope="module")
def found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    home = tmp_path_factory.mktemp("home")
    return inspect_source(Config(data=DataConfig(source=str(folder))), home)


def named(found: Inspection, kind: str) -> list[str]:
    names: list[str] = found.table.loc[found.table["kind"] == kind, "name"].tolist()
    return names


def test_wrong_labels_are_the_surest(found: Inspection) -> None:
    """Recall 1 at the planted labels; precision at least a half among all that is suspicious."""
    suspicious = found.table[found.table["kind"] == "suspicious label"]
    told = dict(zip(suspicious["name"], suspicious["other"], strict=True))
    assert WRONG.items() <= told.items()
    planted = {*WRONG, "circle/taken.png", "circle/blank.png"}
    assert len(planted & told.keys()) >= len(told) / 2
    assert set(suspicious["name"][:2]) <= planted
    assert suspicious["sure"].is_monotonic_decreasing


def test_copies_and_odd_images_are_named_and_no_others(found: Inspection) -> None:
    assert named(found, "near copy in another class") == ["cross/00.png"]
    assert named(found, "near copy") == ["square/copy.png"]
    assert named(found, "blank") == ["circle/blank.png"]
    assert named(found, "blurred") == ["square/blurred.png"]
    assert named(found, "tiny") == ["square/tiny.png"]
    assert named(found, "dark") == []


def test_an_image_of_two_classes_is_named_whatever_part_the_other_is_in(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for part, count in (("train", 8), ("test", 4)):
        for label in ("circle", "square"):
            (tmp_path / "own" / part / label).mkdir(parents=True)
            for i in range(count):
                drawn(label, rng).save(tmp_path / f"own/{part}/{label}/{i}.png")
    shutil.copy(tmp_path / "own/test/circle/0.png", tmp_path / "own/train/square/taken.png")
    config = Config(data=DataConfig(source=str(tmp_path / "own"), images_per_class=9))
    found = inspect_source(config, tmp_path / "home")
    assert named(found, "copy in another class") == ["train/square/taken.png"]
    listed = {row["image"] for row in found.exclusions()}
    assert {"train/square/taken.png", "test/circle/0.png"} <= listed
    few = config.model_copy(update={"data": config.data.model_copy(update={"images_per_class": 3})})
    assert sum(inspect_source(few, tmp_path / "home").data.splits == "train") == 6


def test_the_size_leak_is_told(found: Inspection) -> None:
    table = found.shortcuts.set_index("property")
    assert table.loc[["width", "height"], "tells_the_class"].tolist() == ["yes", "yes"]
    assert table.loc["format", "tells_the_class"] == "no"
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert table["accuracy"]["width"] > 2 * table["chance_share"]["width"]


def test_the_list_names_copies_conflicts_and_blanks(found: Inspection) -> None:
    listed = {row["image"]: row["reason"] for row in found.exclusions()}
    both = {"circle/taken.png", "cross/00.png"}
    assert listed.keys() == {*both, "square/copy.png", "circle/blank.png"}
    assert {listed[name] for name in both} == {"near copy in another class"}


def test_the_page_shows_each_finding_with_its_picture(found: Inspection, tmp_path: Path) -> None:
    write_audit(found, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(FILES)
    page = (tmp_path / "out/audit.html").read_text()
    table = pd.read_csv(tmp_path / "out/audit.csv")
    pictured = table[~table["kind"].isin(["tiny class", "imbalance", "near copies"])]
    assert page.count('<img src="data:image/webp;base64,') == len(pictured) + sum(
        pictured["other"].notna()
    )
    for name in pictured["name"]:
        assert f'<span class="file">{name}</span>' in page
    assert "http" not in page.replace("http-equiv", "")


def test_confident_learning_counts_against_each_classs_own_mean() -> None:
    """By hand: the classes' thresholds are 0.7 and 0.55."""
    probabilities = np.array(
        [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.3, 0.7], [0.65, 0.35]]
    )
    labels = np.array([0, 0, 0, 1, 1, 1])
    (one,) = suspicious_labels(probabilities, labels)
    assert (one.row, one.suggested) == (2, 1)
    assert one.margin == pytest.approx(0.4)


def test_a_class_whose_images_no_probe_was_fitted_to_is_neither_suspected_nor_suggested() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [20, 20, 1])
    embeddings = rng.normal(0, 1, (41, 6)) + 6 * np.eye(6)[labels]
    wrong = 5
    embeddings[wrong] += 6 * np.eye(6)[1] - 6 * np.eye(6)[0]
    groups = [*map(str, range(41))]
    probabilities = held_out_probabilities(embeddings.astype(np.float32), labels, groups, seed=0)
    assert [one.row for one in suspicious_labels(probabilities, labels)] == [wrong]
    unsure = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6], [0.5, 0.5, 0.0]])
    assert suspicious_labels(unsure, np.array([0, 1, 0, 2])) == []


def test_an_outlier_is_far_from_all_others() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(0, 0.2, (60, 8)) + np.eye(8)[rng.integers(0, 2, 60)] * 3
    embeddings[7] = np.eye(8)[5] * 3
    found = outliers(embeddings.astype(np.float32))
    assert [row for row, _ in found] == [7]


@pytest.mark.parametrize("copies", [1, 4])
def test_small_classes_are_probed_in_as_many_folds_as_they_allow(copies: int) -> None:
    """Four images a class, or one class of nothing but copies."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 4)
    embeddings = rng.normal(3 * labels[:, None], 1, (8, 6)).astype(np.float32)
    groups = [
        f"{label}-{place if label else place // copies}" for place, label in enumerate(labels)
    ]
    found = held_out_probabilities(embeddings, labels, groups, seed=0)
    assert found.shape == (8, 2)
    assert found.sum() > 0


def test_classes_of_single_images_cannot_be_probed() -> None:
    with pytest.raises(UserError, match="no class has two different images"):
        held_out_probabilities(np.eye(3, dtype=np.float32), np.arange(3), ["a", "b", "c"], seed=0)


def test_outliers_are_the_same_whatever_else_numpys_partition_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It promises that the kth are in their places, and leaves the rest to the processor."""
    rng = np.random.default_rng(0)
    embeddings = np.concatenate([rng.normal(size=(60, 8)), [[40.0] * 8]]).astype(np.float32)
    expected = outliers(embeddings)

    def lawful(values: Array, kth: int | tuple[int, ...], axis: int) -> Array:
        ordered = np.sort(values, axis=axis)
        ends = sorted(place % values.shape[1] for place in np.atleast_1d(kth))
        for start, end in zip([-1, *ends], [*ends, values.shape[1]], strict=True):
            ordered[:, start + 1 : end] = ordered[:, start + 1 : end][:, ::-1]
        return ordered

    monkeypatch.setattr(np, "partition", lawful)
    found = outliers(embeddings)
    assert [row for row, _ in found] == [row for row, _ in expected]
    np.testing.assert_allclose([far for _, far in found], [far for _, far in expected], rtol=1e-4)
