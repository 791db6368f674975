"""`bench report` as users meet it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


@pytest.fixture
def here(studied: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", studied.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", studied.experiment)
    return tmp_path


def assert_one_line_error(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert all(part in line for part in parts), line


def test_it_writes_the_page_and_says_how_large_it_is(here: Path) -> None:
    result = report("--title", "Mine")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("report.html: 6 systems of 8 runs, 0.")
    assert "<h1>Mine</h1>" in (here / "report.html").read_text(encoding="utf-8")
    assert report("--title", "Yours").exit_code == 0  # its own page may be replaced
    assert "<h1>Yours</h1>" in (here / "report.html").read_text(encoding="utf-8")
    assert report("--title", os.fsdecode(b"Pok\xe9dex")).exit_code == 0  # arguments are any bytes
    assert "<h1>Pok" in (here / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_done_is_told_in_a_line(here: Path) -> None:
    (here / "a_file").write_text("mine")
    assert_one_line_error(report("--out", "a_file/page.html"), "a_file is not one", "--out FILE")
    assert_one_line_error(report("--out", "a_file"), "a_file is there and not by bench")
    assert_one_line_error(report("--out", "."), "--out FILE")
    assert_one_line_error(report("--context", "zz"), "zz", "there are: aaaa1111")
    assert_one_line_error(report("--context", "all"), "--context ID")
    assert (here / "a_file").read_text() == "mine"
    assert [path.name for path in here.iterdir()] == ["a_file"]


def test_an_empty_store_says_what_to_type(store: Store) -> None:
    Tracker(store)
    assert_one_line_error(report(), "bench run --all")
