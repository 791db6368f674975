"""Images of the user's own on the command line."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.data.home import home
from benchmark.data.identity import digest_of
from benchmark.tracking.store import Store
from tests.test_cli import TINY, assert_one_line_error, bench


def test_own_data_are_studied_however_they_are_named(workplace: Path) -> None:
    from benchmark.commands.study_options import make_config

    assert make_config("mine", None, ()).preset == "study"
    assert make_config(None, None, ("data.source=mine",)).preset == "study"
    assert make_config(None, None, ("train.epochs=3",)).preset == "quick"


def test_home_that_cannot_be_written_in_is_refused(
    workplace: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "file").write_text("")
    for place in ("file", "file/below"):
        monkeypatch.setenv("BENCH_HOME", place)
        result = bench("data", str(image_folder))
        assert_one_line_error(result, f"{place} cannot be a folder", "set BENCH_HOME=DIR")
    monkeypatch.setenv("BENCH_HOME", "locked")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    assert_one_line_error(bench("data", str(image_folder)), "locked cannot be written in")
    assert bench("data", "--help").exit_code == 0


def test_home_may_begin_with_a_tilde(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(workplace))
    monkeypatch.setenv("BENCH_HOME", "~/mine")
    assert home() == workplace / "mine"
    monkeypatch.setenv("BENCH_HOME", "~nobody-is-called-so/mine")
    assert_one_line_error(bench("ls", "presets"), "is no user's folder; write the whole path")


def test_a_class_that_is_too_small_is_named(workplace: Path, image_folder: Path) -> None:
    shutil.copytree(image_folder, workplace / "few")
    for path in sorted((workplace / "few" / "red").iterdir())[2:]:
        path.unlink()
    result = bench("run", "convmixer", "--data", "few", "--dry-run")
    assert_one_line_error(
        result, "2 different images, none for train: 'red'", "--set data.min_images=3"
    )
    explored = json.loads(bench("data", "few", "--table", "findings", "--format", "json").output)
    assert [(row["kind"], row["name"]) for row in explored] == [
        ("near copies", "not looked for in 30 images under 32 pixels"),
        ("too few images", "red"),
    ]
    left = bench("run", "convmixer", "--data", "few", "--set", "data.min_images=3", "--dry-run")
    assert left.exit_code == 0, left.output
    assert "class left out: red" in left.output
    assert "28 images of 2 classes" in left.output


def test_a_command_reads_a_file_to_hash_it_once(
    workplace: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []

    def counting(data: bytes) -> str:
        hashed.append(data)
        return digest_of(data)

    monkeypatch.setattr("benchmark.data.identity.digest_of", counting)
    assert bench("run", "convmixer", "--data", str(image_folder), *TINY, "--dry-run").exit_code == 0
    assert len(hashed) == len(list(image_folder.glob("*/*")))


def content(database: str) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_dry_run_changes_no_store(
    store: Store, image_folder: Path, monkeypatch: pytest.MonkeyPatch, is_writable: bool
) -> None:
    Path("home/unsent/run").mkdir(parents=True)
    may = os.R_OK | os.X_OK | (os.W_OK if is_writable else 0)  # root may write anywhere
    monkeypatch.setattr("os.access", lambda path, mode: not mode & ~may)
    before = content("mlflow.db")
    result = bench("run", "convmixer", "--data", str(image_folder), *TINY, "--dry-run")
    assert result.exit_code == 0, result.output
    assert content("mlflow.db") == before


def test_a_dry_run_of_a_zip_and_the_demo_writes_nothing(
    workplace: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = shutil.make_archive(str(workplace / "images"), "zip", image_folder)
    settings = ["--set", "demo.species=2", "--set", "demo.images_per_species=6", *TINY]
    for data in (["--data", archive], []):
        result = bench("run", "convmixer", "resnet18-staged", *data, *settings, "--dry-run")
        assert result.exit_code == 0, result.output
        assert "3 runs" in result.output
        assert [path.name for path in workplace.iterdir()] == ["images.zip"]


def test_without_images_data_shows_the_demo_that_run_draws(workplace: Path) -> None:
    small = ["--set", "data.study_size=32", "--set", "data.classes=2"]
    result = bench("data", "--table", "splits", "--format", "csv", *small)
    assert result.exit_code == 0, result.output
    splits = Counter(row.rpartition(",")[2] for row in result.stdout.splitlines()[1:])
    assert splits == {"train": 50, "val": 10, "test": 60}


def test_what_leaves_nothing_and_names_that_look_alike_are_told(
    workplace: Path, image_folder: Path
) -> None:
    none_left = bench("data", str(image_folder), "--set", "data.min_images=1000")
    assert_one_line_error(none_left, "nothing is left of", "class left out: blue, 14 images")
    assert_one_line_error(
        bench("data", "--set", "train.lr=1"), "train.lr=1", "settings of data and demo"
    )
    for name in ("caf\u00e9", "cafe\u0301", "x"):
        shutil.copytree(image_folder / "red", workplace / "n" / name)
    assert_one_line_error(bench("data", "n"), "two files called", "rename one")


def test_depth_of_the_classes_can_be_chosen_everywhere(workplace: Path, image_folder: Path) -> None:
    for place in ("indoor", "outdoor"):
        for name in ("cat", "dog"):
            shutil.copytree(image_folder / "red", workplace / "n" / name / place)
            for path in (workplace / "n" / name / place).iterdir():
                path.write_bytes(path.read_bytes() + f"{name}{place}".encode())
    both = ["--classes-at 1 for the classes cat, dog", "--classes-at 2 for the classes indoor"]
    assert_one_line_error(bench("data", "n"), "n can be read in 2 ways", *both)
    for command in ("run", "sweep"):
        assert_one_line_error(bench(command, "convmixer", "--data", "n"), *both)
    rows = bench("data", "n", "--classes-at", "2", "--table", "classes", "--format", "csv").output
    assert rows.splitlines()[1:] == ["indoor,28,20,4,4", "outdoor,28,20,4,4"]
    for choice in (["--classes-at", "1"], ["--set", "data.classes_at=1"]):
        result = bench("run", "convmixer", "--data", "n", *choice, *TINY, "--dry-run")
        assert "56 images of 2 classes" in result.output, result.output
    contradiction = ["--classes-at", "1", "--set", "data.classes_at=2"]
    assert_one_line_error(bench("data", "n", *contradiction), "--classes-at 1 or --set")
