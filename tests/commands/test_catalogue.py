"""`bench catalogue`: a collection by class, copies together, and nothing of the user's touched."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import benchmark as bench
from benchmark.classifier.collection import PictureFile
from benchmark.classifier.tracked import Answer
from benchmark.classifier.verdict import Verdict
from benchmark.cli import main
from benchmark.data.copies import SIDE
from benchmark.data.decode import decode
from benchmark.report.catalogue import Entry, copies, write_table
from registry.specs import STUDY_INPUT
from tests.conftest import COLOURS
from tests.data.planted import TAMPERED, scene
from tests.studies import own_store
from tests.test_cli import assert_one_line_error

NETWORK = "basic_cnn-scratch"
SETTINGS = {"data.image_size": 32, "train.epochs": 3, "train.batch_size": 8}


def catalogue(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["catalogue", *arguments])


@pytest.fixture(scope="module", autouse=True)
def collection(
    image_folder: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder ``album`` of pictures of three classes without a word of what they are."""
    folder = tmp_path_factory.mktemp("collection")
    with own_store(folder, empty_database):
        study = bench.plan(image_folder, [NETWORK], preset="study", settings=SETTINGS)
        bench.run(study, device="cpu", explain=False)
        Path("album/more").mkdir(parents=True)
        for name in COLOURS:
            for number in range(3):
                shutil.copy(image_folder / name / f"0{number}.png", f"album/{name}-{number}.png")
        shutil.copy("album/red-0.png", "album/more/red-0.png")  # the same bytes
        scene(1).save("album/blue-1.png")
        TAMPERED["mirrored"](scene(1)).save("album/<b>blue & co.jpg", quality=95)
        yield folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_page_and_table_group_by_class_and_keep_copies_together() -> None:
    result = catalogue("album", "--level", "0.3")
    assert result.exit_code == 0, result.output
    with Path("catalogue/catalogue.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    copies = {row["image"]: row["copy_of"] for row in rows if row["copy_of"]}
    same = [{name, copy} for name, copy in copies.items()]
    assert {"album/red-0.png", "album/more/red-0.png"} in same
    assert {"album/blue-1.png", "album/<b>blue & co.jpg"} in same
    assert len(copies) == 2
    doubtful = [row["doubtful"] for row in rows]
    page = Path("catalogue/catalogue.html").read_text()
    assert "<b>blue" not in page
    assert "&lt;b&gt;blue &amp; co.jpg" in page
    assert not re.search(r"(src|href)=\"https?:", page)
    assert f'class="skip" href="#{"doubtful" if "yes" in doubtful else "all"}"' in page
    assert page.count("2 copies of one picture") == 2
    assert "9 different ones" in page
    counts = re.findall(r"<a href=\"#class-\d+\">(\w+)</a> <b>(\d+)</b>", page)
    assert sum(int(number) for _, number in counts) == 11
    predicted = {row["image"]: row["class"] for row in rows}
    loaded = bench.load(NETWORK).predict([*predicted])
    assert dict(zip(loaded["image"], loaded["predicted"], strict=True)) == predicted
    assert catalogue("album").exit_code == 0  # its own files may be replaced


def entry(name: str, share: float, *possible: str, unknown: bool = False) -> Entry:
    """Of a picture of the first of the possible classes, or unknown."""
    ranking = [(possible[0], share), ("other", 1 - share)]
    verdict = Verdict(ranking=ranking, p_value=1.0, unknown=unknown, possible=[*possible])
    small = np.random.default_rng(len(name)).integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)
    return Entry(name=name, link="", verdict=verdict, thumbnail=b"", small=small, digest=name)


@pytest.mark.parametrize("possible", [None, 1, 4, 5, 1000])
def test_of_a_picture_no_more_classes_are_kept_than_are_told(possible: int | None) -> None:
    file = PictureFile(path=Path("album/red-0.png").absolute(), name="red-0.png", folders=())
    decoded = decode(file.path.read_bytes(), 32)
    answer = Answer(picture="", name="", decoded=decoded, probabilities=np.empty(0, np.float32))
    names = [f"class {place}" for place in range(1000)]
    verdict = Verdict(
        ranking=[(name, 0.001) for name in names],
        p_value=1.0,
        unknown=None if possible is None else False,
        possible=None if possible is None else names[:possible],
    )
    kept = Entry.of(file, answer, verdict, STUDY_INPUT)
    assert len(kept.verdict.ranking) + len(kept.verdict.possible or []) <= 10
    assert kept.doubt == replace(kept, verdict=verdict).doubt
    assert kept.verdict.margin == verdict.margin


def test_the_doubtful_come_first_and_of_them_the_least_probable(tmp_path: Path) -> None:
    entries = [
        entry("sure", 0.6, "red"),
        entry("in doubt", 0.9, "red", "blue"),
        entry("in more doubt", 0.7, "red", "blue"),
    ]
    write_table(tmp_path / "table.csv", entries, copies(entries), [])
    with (tmp_path / "table.csv").open() as file:
        rows = [(row["image"], row["doubtful"], row["reason"]) for row in csv.DictReader(file)]
    assert rows == [
        ("in more doubt", "yes", "or blue"),
        ("in doubt", "yes", "or blue"),
        ("sure", "no", ""),
    ]


def test_page_and_terminal_count_the_same_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        entry("first", 0.9, "red"),
        entry("its copy", 0.9, "blue"),
        entry("of a class of that name", 0.9, "unknown"),
        entry("of none", 0.9, "green", unknown=True),
    ]
    monkeypatch.setattr("benchmark.commands.catalogue._entries", lambda *_: (entries, [], []))
    monkeypatch.setattr("benchmark.report.catalogue.copies", lambda _: [0, 0, 2, 3])
    result = catalogue("album", "--out", "counted")
    assert "4 pictures of 2 classes" in result.stdout, result.output
    assert "<dt>Classes</dt><dd>2</dd>" in Path("counted/catalogue.html").read_text()


def test_with_too_few_val_images_to_tell_the_margin_says_what_is_doubtful() -> None:
    result = catalogue("album", "--out", "few")
    assert (
        "No picture is called unknown: --level 0.05 takes at least 19 val images" in result.stdout
    )
    with Path("few/catalogue.csv").open() as file:
        doubtful = {row["image"] for row in csv.DictReader(file) if row["doubtful"] == "yes"}
    table = CliRunner().invoke(main, ["predict", "album", "--csv", "-"]).stdout.splitlines()
    assert doubtful == {row["image"] for row in csv.DictReader(table) if float(row["margin"]) < 0.5}


def test_a_copy_that_fails_leaves_no_half_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    result = catalogue("album", "--sort-into", "full", "--copy")
    assert result.exit_code == 2
    assert "No space left on device: " in result.output
    assert not [path for path in Path("full").rglob("*") if path.is_file()]


def test_sorting_links_or_copies_and_neither_moves_nor_replaces() -> None:
    before = contents(Path("album"))
    result = catalogue("album", "--sort-into", "sorted", "--level", "0.3")
    assert "sorted: 10 linked, 1 there already" in result.output
    links = [path for path in Path("sorted").rglob("*") if path.is_symlink()]
    assert len(links) == 10
    assert all(path.read_bytes() == before[f"album/{path.name}"] for path in links)
    theirs = Path("copied") / links[0].parent.name / links[0].name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"somebody's own")
    again = catalogue("album", "--sort-into", "sorted", "--level", "0.3")
    assert "sorted: 11 there already" in again.output
    copied = catalogue("album", "--sort-into", "copied", "--copy", "--level", "0.3")
    assert "10 copied" in copied.output
    assert theirs.read_bytes() == b"somebody's own"
    beside = theirs.with_stem(f"{theirs.stem}-2")
    assert beside.read_bytes() == links[0].read_bytes()
    assert not beside.is_symlink()
    assert contents(Path("album")) == before


def test_names_and_titles_may_be_any_bytes() -> None:
    shutil.copytree("album", os.fsdecode(b"Pok\xe9mon"))
    result = catalogue(os.fsdecode(b"Pok\xe9mon"), "--out", "of bytes")
    assert result.exit_code == 0, result.output
    assert r"<h1>Pictures in Pok\xe9mon</h1>" in Path("of bytes/catalogue.html").read_text()
    titled = catalogue("album", "--out", "of bytes", "--title", os.fsdecode(b"Pok\xe9dex"))
    assert titled.exit_code == 0, titled.output
    assert "<h1>Pok" in Path("of bytes/catalogue.html").read_text()


def test_what_cannot_be_read_is_told_on_the_page_too() -> None:
    shutil.copytree("album", "damaged")
    Path("damaged/half.png").write_bytes(Path("album/red-0.png").read_bytes()[:90])
    result = catalogue("damaged", "--out", "of damaged")
    assert result.exit_code == 1
    assert "not read: damaged/half.png: damaged" in result.stderr
    assert "damaged/half.png" in Path("of damaged/catalogue.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no file or folder 'nowhere'"),
        (["album", "--copy"], "--sort-into OUT"),
        (["album", "--sort-into", "album/sorted"], "name another OUT"),
        (["al*", "--sort-into", "album/sorted"], "name another OUT"),
        (["al*/**/*.png", "--sort-into", "album/sorted"], "name another OUT"),
        (["album/**/*.png", "--sort-into", "album/sorted"], "name another OUT"),
        (["album", "--model", "basic_cnn-scrach"], "did you mean basic_cnn-scratch"),
        (["album", "--out", "mlflow.db"], "--out FOLDER"),
        (["album", "--out", "theirs"], "not by bench"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], told: str) -> None:
    Path("theirs").mkdir(exist_ok=True)
    Path("theirs/catalogue.html").write_text("<html>mine</html>")
    assert_one_line_error(catalogue(*arguments), told)
    assert Path("theirs/catalogue.html").read_text() == "<html>mine</html>"
