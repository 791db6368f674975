"""The whole report: what it shows is what the leaderboard and the store say."""

from __future__ import annotations

import html
import math
import re
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from benchmark.data.eda import class_table
from benchmark.data.prepared import PreparedData
from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary, trees
from benchmark.report.collect import Material
from benchmark.report.curves import Panel
from benchmark.report.render import write_report
from benchmark.terminal.numbers import duration, percent, points
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.report.page import Page, read
from tests.report.study import CLASSES, HOSTILE


def written(store: Store, folder: Path, context: str | None = None) -> tuple[Material, Page]:
    out = folder / "report.html"
    return write_report(store, out, context, None), read(out)


@pytest.fixture(scope="module")
def report(studied: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, Page]:
    return written(studied, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(report: tuple[Material, Page]) -> Page:
    return report[1]


@pytest.fixture(scope="module")
def material(report: tuple[Material, Page]) -> Material:
    return report[0]


def test_the_summary_is_the_leaderboards(studied: Store, page: Page, material: Material) -> None:
    table = summary(rank_systems(studied, fetch(studied)))
    rows = page.table("Accuracy on")
    assert len(rows) == len(table) == 6
    for row, (_, expected) in zip(rows, table.iterrows(), strict=True):
        assert row[1].startswith(expected["system"])
        low, high = expected["test_accuracy_low"], expected["test_accuracy_high"]
        accuracy = f"{percent(expected['test_accuracy'])}{100 * low:.1f} to {100 * high:.1f}%"
        assert row[2] == accuracy
        verdict = "best on validation" if expected["verdict"] == "best" else expected["verdict"]
        assert row[4].startswith(verdict)
        low, high = expected["rank_low"], expected["rank_high"]
        assert row[5] == (f"{low}" if low == high else f"{low} to {high}")
        study, gain = expected["study_accuracy"], expected["gain"]
        told = "–" if math.isnan(study) else percent(study)
        assert row[6] == told + expected["study_verdict"]
        assert row[7] == ("–" if math.isnan(gain) else points(gain))
        weights = "" if expected["weights"] == "none" else f"weights: {expected['weights']}"
        assert row[8] == expected["backbone"] + weights
        assert row[9] == (expected["settings"] or "–")
        assert row[11] == duration(expected["fit_seconds"])
    assert "on its own images: 2,265 are assumed" in page.text
    assert [row[7] for row in rows].count("–") == 5  # all but the tuned one
    assert table["verdict"].iloc[0] == "best"
    assert recommendation(material.ranking)[0] in page.text


def test_the_trees_are_the_leaderboards(studied: Store, page: Page) -> None:
    table = trees(fetch(studied))
    rows = page.table("Test accuracy of the tree heads")
    assert [(row[1], row[2], row[4], row[6]) for row in rows] == [
        (
            row["model"],
            row["settings"],
            percent(row["accuracy_exp1"]),
            percent(row["accuracy_exp2"]),
        )
        for _, row in table.iterrows()
    ]
    assert len(rows) == 2


def test_the_networks_of_each_part_have_a_table(studied: Store, page: Page) -> None:
    runs = fetch(studied).set_index("run")
    for group, name in (
        ("from scratch", "convmixer-scratch"),
        ("experiment 1", "resnet18-staged"),
        ("experiment 2", "resnet18-frozen"),
    ):
        (row,) = page.table(f"Networks, {group}")
        assert row[0].startswith(runs["system"][name])
        assert row[1] == percent(runs["test_accuracy"][name])
        assert row[3] == percent(runs["best_val_accuracy"][name])


def test_names_are_shown_and_never_obeyed(page: Page) -> None:
    assert HOSTILE in page.text
    assert "<monsters>" in page.text
    assert not any(attributes.get("src") == "x" for _, attributes in page.tags)
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert {tag for tag, _ in page.tags}.isdisjoint({"monsters", "link rel=stylesheet", "iframe"})
    shown = {row[0] for row in page.table("Test images classified right")}
    assert shown == set(CLASSES)  # 007 and NA are names, no number and no gap


def test_the_file_needs_no_other(page: Page) -> None:
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert all((one["src"] or "").startswith("data:image/webp;base64,") for one in pictures)
    assert all(one["alt"] for one in pictures)
    assert not re.search(r"https?://", page.text)


def test_what_has_no_result_is_told_with_its_reason(page: Page) -> None:
    assert "2 runs have no result" in page.text
    assert (
        f"basic_cnn-scratch failed: ZeroDivisionError: division of {HOSTILE} by zero" in page.text
    )
    assert "vit_b_16-frozen skipped: no weights here" in page.text


def test_the_header_says_on_what_and_when_it_was_made(page: Page, material: Material) -> None:
    assert "<monsters>: 56 images of 4 classes, shown with sides of 32 pixels" in page.text
    splits = ", ".join(f"{images} {split}" for split, images in material.splits.items())
    assert splits + "; one test image is 12 points" in page.text
    assert "commit 0123456789-dirty" in page.text  # shortened, but not what makes it doubtful
    assert "study, at most 3 epochs, seed 0" in page.text


def test_departures_from_the_study_are_told(page: Page) -> None:
    assert "56 images of 4 classes (study: over 15,100 of 151)" in page.text
    assert "data.image_size=32 (study: 240)" in page.text
    assert "train.epochs=3 (study: 25)" in page.text
    assert "weights=demo (study: imagenet)" in page.text
    assert "train.lr" not in page.text.split("runs have no result")[0]  # it is the study's
    assert (
        "not run of the study: residual_cnn-scratch, resnet18-scratch, vit_b_16-scratch, "
        "vit_b_16-staged and 18 more" in page.text
    )


def test_the_command_repeats_the_settings(page: Page) -> None:
    (command,) = (line for line in page.text.splitlines() if line.startswith("bench run"))
    assert "convmixer-scratch" in command
    assert "resnet18-frozen/extra_trees-n200" in command
    assert "777" not in command  # a sweep's
    assert command.endswith(
        "--data DIR --preset study --seed 0 --weights demo --set data.image_size=32 "
        "--set train.epochs=3 --set train.freeze_epochs=1"
    )


def test_classes_are_counted_as_the_predictions_say(
    page: Page, material: Material, monsters: PreparedData
) -> None:
    rows = {row[0]: row[1:] for row in page.table("Test images classified right")}
    images = class_table(monsters).set_index("class")["test"]
    for system, column in zip(material.systems, range(1, 7), strict=True):
        assert system.predictions is not None
        right = system.predictions[system.predictions["correct"]]["true"].value_counts()
        for name, row in rows.items():
            assert int(row[0]) == images[name]
            assert int(row[column]) == right.get(name, 0)
    shares = [sum(map(int, row[1:])) for row in rows.values()]
    assert shares == sorted(shares)  # as many images in each: the hardest first


def test_the_gallery_shows_each_system_before_each_image(page: Page, material: Material) -> None:
    rows = page.table("Predicted class and its probability")
    assert len(rows) == 3
    first = material.systems[0].predictions
    assert first is not None
    marks = set()
    for row, image in zip(rows, first["image"], strict=False):  # the first of the test images
        for cell, system in zip(row[1:], material.systems, strict=True):
            assert system.predictions is not None
            (made,) = system.predictions[system.predictions["image"] == image].itertuples()
            assert row[0] == made.true
            assert ("no picture" in cell) == system.is_head
            mark = "✓" if made.correct else "✗"
            assert f"{mark} {made.predicted} {made.probability:.0%}" in cell
            marks.add(mark)
            assert "%" in cell  # heads: from their predictions
            assert cell.endswith(("%", "better"))
    assert marks == {"✓", "✗"}


def test_the_gallery_says_what_maps_are_worth(page: Page, material: Material) -> None:
    rows = page.table("Predicted class and its probability")
    network = next(i for i, system in enumerate(material.systems, 1) if not system.is_head)
    assert rows[0][network].endswith("deletion AUC 0.20, random 0.40: better")
    assert rows[1][network].endswith("deletion AUC 0.50, random 0.40: no better")
    assert "deletion" not in rows[2][network]  # it was not measured then
    networks = sum(not system.is_head for system in material.systems)
    assert page.text.count("Grad-CAM; better than random on 1 of 2") == networks


def test_curves_are_drawn_for_networks_alone(page: Page) -> None:
    labels = [attributes.get("aria-label") or "" for _, attributes in page.tags]
    assert sum(label.startswith("accuracy in 3 epochs") for label in labels) == 3
    assert sum(label.startswith("loss in 3 epochs: train 2.00 to 0.67") for label in labels) == 3
    assert page.text.count("best epoch 2 of 3") == 3
    middle = f"{Panel(measure='loss', epochs=3, top=1, cut=False).x(2):.1f}"
    marks = [attributes for tag, attributes in page.tags if tag == "circle" and "cx" in attributes]
    assert sum(mark["cx"] == middle for mark in marks) == 6  # accuracy and loss of three networks
    paths = [attributes.get("d") or "" for tag, attributes in page.tags if tag == "path"]
    assert sum(path.startswith(f"M{middle} ") for path in paths) == 2  # unfrozen after one epoch


def test_confused_classes_have_pictures(page: Page, material: Material) -> None:
    alts = {attributes["alt"] for tag, attributes in page.tags if tag == "img"}
    wrong = material.systems[0].predictions
    assert wrong is not None
    wrong = wrong[~wrong["correct"]]
    assert len(wrong)
    assert set(wrong["true"]) | set(wrong["predicted"]) <= alts


def test_headings_and_tables_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in page.tags
    assert page.tags[[tag for tag, _ in page.tags].index("a")][1]["href"] == "#results"
    headers = [attributes for tag, attributes in page.tags if tag == "th"]
    assert all(one.get("scope") in ("col", "row") for one in headers)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) >= 8


def test_the_newest_of_two_explorations_counts_if_it_is_of_the_same_data(
    studied: Store, material: Material, monsters: PreparedData
) -> None:
    assert material.exploration is not None
    pd.testing.assert_frame_equal(material.exploration.classes, class_table(monsters))
    assert set(material.exploration.pictures) == set(CLASSES)
    assert len(Tracker(studied).client.search_experiments()) == 2  # reading made none


def test_escaped_text_is_what_the_file_holds(studied: Store, tmp_path: Path) -> None:
    write_report(studied, tmp_path / "titled.html", None, "<h1>mine</h1>")
    content = (tmp_path / "titled.html").read_text(encoding="utf-8")
    assert HOSTILE not in content
    assert html.escape(HOSTILE, quote=True).replace("&quot;", "&#34;") in content
    assert "<title>&lt;h1&gt;mine&lt;/h1&gt;</title>" in content
