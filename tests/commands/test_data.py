"""``bench data --audit``: says what to type next, and its list leaves out what it names."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from tests.data.planted import TAMPERED, scene
from tests.report.page import read
from tests.test_cli import assert_one_line_error


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
    page = read(Path("out/audit.html"))
    assert page.table("Findings by kind")
    assert page.table("How well each property alone")
    headings = [attributes for tag, attributes in page.tags if tag == "th"]
    assert all(one.get("scope") for one in headings)
    scrolled = [one for tag, one in page.tags if tag == "div" and one.get("class") == "scroll"]
    assert all(one["role"] == "region" and one["aria-label"] for one in scrolled)
    assert "abra/copy.png,near copy,of abra/0.png" in Path("fix.csv").read_text()
    again = ["data", str(folder), "--exclude", "fix.csv", "--table", "findings", "--format", "csv"]
    told = CliRunner().invoke(main, again).output
    assert "left out,abra/copy.png,by fix.csv: near copy" in told
    assert (folder / "abra/copy.png").is_file()


def test_a_list_that_may_have_been_edited_is_added_to_or_stays(folder: Path) -> None:
    fixing = ["data", str(folder), "--audit", "--fix", "fix.csv"]
    edited = "\ufeffimage,reason,detail,by\nabra/1.png,blurred,,Ada\nabra/copy.png,a copy,,Ada"
    Path("fix.csv").write_text(edited, encoding="utf-8")
    again = CliRunner().invoke(main, fixing)
    assert_one_line_error(again, "fix.csv is there", "--fix FILE", "--exclude fix.csv")
    assert Path("fix.csv").read_text(encoding="utf-8") == edited
    TAMPERED["mirrored"](scene(51)).save(folder / "zubat/copy.png")
    added = CliRunner().invoke(main, [*fixing, "--exclude", "./fix.csv"])
    assert "fix.csv lists 1 more images" in added.output
    assert Path("fix.csv").read_text(encoding="utf-8").splitlines() == [
        *edited.removeprefix("\ufeff").splitlines(),
        "zubat/copy.png,near copy,of zubat/1.png,",
    ]


def test_programs_read_one_table_and_no_sentence(folder: Path) -> None:
    audit = ["data", str(folder), "--audit", "--fix", "fix.csv", "--format", "json"]
    done = CliRunner().invoke(main, audit)
    assert {row["kind"] for row in json.loads(done.stdout)} >= {"near copy"}
    assert done.stderr.startswith("fix.csv lists 1 images; ")


def test_a_list_needs_an_audit_and_takes_no_other_file(folder: Path) -> None:
    alone = CliRunner().invoke(main, ["data", str(folder), "--fix", "fix.csv"])
    assert (alone.exit_code, "add --audit" in alone.output) == (2, True)
    Path("mine.txt").write_text("my notes")
    table = CliRunner().invoke(main, ["data", str(folder), "--audit", "--table", "sizes"])
    assert_one_line_error(table, "--table goes without --audit; leave one of them out")
    other = CliRunner().invoke(main, ["data", str(folder), "--audit", "--fix", "mine.txt"])
    assert other.exit_code == 2
    assert Path("mine.txt").read_text() == "my notes"
