"""``bench data --audit``: says what to type next, and its list leaves out what it names."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from tests.data.planted import TAMPERED, scene


@pytest.fixture
def folder(workplace: Path) -> Path:
    for label, first in (("abra", 0), ("zubat", 50)):
        (workplace / "mine" / label).mkdir(parents=True)
        for i in range(8):
            scene(first + i).save(workplace / "mine" / label / f"{i}.png")
    TAMPERED["mirrored"](scene(0)).save(workplace / "mine/abra/copy.png")
    return workplace / "mine"


def test_an_audits_list_is_taken_by_exclude(folder: Path) -> None:
    done = CliRunner().invoke(
        main, ["data", str(folder), "--audit", "--fix", "fix.csv", "--out", "out"]
    )
    assert done.exit_code == 0, done.output
    assert "near copy" in done.output
    assert "audit.html" in done.output
    assert Path("out/audit.html").is_file()
    assert "abra/copy.png,near copy,of abra/0.png" in Path("fix.csv").read_text()
    again = ["data", str(folder), "--exclude", "fix.csv", "--table", "findings", "--format", "csv"]
    told = CliRunner().invoke(main, again).output
    assert "left out,abra/copy.png,by fix.csv: near copy" in told
    assert (folder / "abra/copy.png").is_file()


def test_a_list_needs_an_audit_and_takes_no_other_file(folder: Path) -> None:
    alone = CliRunner().invoke(main, ["data", str(folder), "--fix", "fix.csv"])
    assert (alone.exit_code, "add --audit" in alone.output) == (2, True)
    Path("mine.txt").write_text("my notes")
    other = CliRunner().invoke(main, ["data", str(folder), "--audit", "--fix", "mine.txt"])
    assert other.exit_code == 2
    assert Path("mine.txt").read_text() == "my notes"
