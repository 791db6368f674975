"""Outputs are refused before the work, made with their folders, and replace only what is ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_tables import NETWORK_TAGS, log
from tests.test_cli import assert_one_line_error


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def runs(store: Store) -> None:
    """A store with a completed run."""
    log(Tracker(store), "convmixer", NETWORK_TAGS, test_accuracy=0.5, best_val_accuracy=0.5)


@pytest.mark.usefixtures("runs")
def test_a_table_is_written_into_a_new_folder_and_again(workplace: Path) -> None:
    for _ in range(2):
        result = bench("leaderboard", "--csv", "new/folder/a.csv")
        assert result.exit_code == 0, result.output
    assert len(pd.read_csv("new/folder/a.csv")) == 1
    (workplace / "new" / "empty.csv").touch()
    assert bench("leaderboard", "--view", "all", "--csv", "new/empty.csv").exit_code == 0
    assert bench("leaderboard", "--csv", "new/empty.csv").exit_code == 0


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("name", ["friends.csv", "mlflow.db", "image.png"])
def test_no_table_and_no_page_is_written_over_another_file(workplace: Path, name: str) -> None:
    file = workplace / name
    if name != "mlflow.db":
        file.write_bytes(b"name,context\nAda,\x89PNG\n")
    before = file.read_bytes()
    assert_one_line_error(bench("leaderboard", "--csv", name), name, "not by bench", "--csv FILE")
    assert_one_line_error(bench("report", "--out", name), name, "not by bench", "--out FILE")
    assert file.read_bytes() == before


def test_what_cannot_be_written_is_told_before_the_work(workplace: Path) -> None:
    (workplace / "a_file").touch()
    (workplace / "a_folder").mkdir()
    for command in (["leaderboard", "--csv"], ["report", "--out"]):  # of a store that is not there
        assert_one_line_error(bench(*command, "a_file/x/y"), "a_file is not one", command[1])
        assert_one_line_error(bench(*command, "a_folder"), "a_folder is a folder", command[1])
        assert_one_line_error(bench(*command, "é" * 128), "File name too long", "shorter name")
    explain = ["explain", "x.png", "--model", "convmixer", "--out", "a_file"]
    assert_one_line_error(bench(*explain), "a_file is not one", "--out DIR")
    assert_one_line_error(bench("data", "nowhere", "--out", "a_file"), "a_file is not one")
    assert not (workplace / "mlflow.db").exists()


@pytest.mark.usefixtures("runs")
def test_a_full_disk_is_told_in_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert_one_line_error(bench("leaderboard", "--csv", "/dev/full"), "No space left", "make room")


def test_an_exploration_is_written_over_itself_and_over_nothing_else(
    workplace: Path, image_folder: Path
) -> None:
    explore = ["data", str(image_folder), "--out", "new/explored"]
    for _ in range(2):
        result = bench(*explore)
        assert result.exit_code == 0, result.output
    assert (workplace / "new" / "explored" / "classes.webp").exists()
    theirs = workplace / "theirs"
    theirs.mkdir()
    (theirs / "classes.csv").write_text("id,class\n")
    result = bench("data", str(image_folder), "--out", "theirs")
    assert_one_line_error(result, "theirs/classes.csv", "not by bench", "--out DIR")
    assert [path.name for path in theirs.iterdir()] == ["classes.csv"]
