"""What a file promises, and a leaderboard keeps or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_tables import NETWORK_TAGS, log
from tests.test_cli import assert_one_line_error

BOARD = {"system": "ConvMixer Model", "weights": "none"}


@pytest.fixture(autouse=True)
def run(store: Store) -> None:
    log(Tracker(store), "convmixer", NETWORK_TAGS, test_accuracy=0.5, best_val_accuracy=0.5)


def check(content: str, *options: str) -> Result:
    Path("promised").write_text(content)
    return CliRunner().invoke(main, ["leaderboard", "--check", "promised", *options])


def test_what_is_below_or_missing_is_told_and_fails() -> None:
    kept = check("system,at_least\nConvMixer Model,0.5\n")
    assert (kept.exit_code, kept.stderr) == (0, "")
    below = check("run,at_least\nconvmixer,0.51\nother,0.1\n", "--format", "csv")
    assert below.exit_code == 1
    assert below.stderr.splitlines() == [
        "below: convmixer, 50.00%, promised 51.00%",
        "missing: other, promised 10.00%",
    ]
    assert below.stdout.startswith("system,run,test_accuracy,")


@pytest.mark.parametrize(
    "content",
    [
        "run,at_least,test_accuracy\nconvmixer,,0.6\n",
        '[{"run": "convmixer", "at_least": "", "test_accuracy": 0.6}]',
        '[{"run": "convmixer", "at_least": null, "test_accuracy": 0.6}]',
    ],
)
def test_where_a_column_promises_nothing_the_next_one_does(content: str) -> None:
    assert check(content).stderr == "below: convmixer, 50.00%, promised 60.00%\n"


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_an_export_promises_the_lower_bounds_of_its_intervals(format_: str, store: Store) -> None:
    export = CliRunner().invoke(main, ["leaderboard", "--format", format_]).stdout
    assert check(export).exit_code == 0
    # 15 test images: 2 of 10 fewer are no difference that they show, 8 of 10 are.
    for accuracy, code in ((0.4, 0), (0.1, 1)):
        tags = {**NETWORK_TAGS}
        log(Tracker(store), "convmixer", tags, test_accuracy=accuracy, best_val_accuracy=0.5)
        assert check(export).exit_code == code


def test_a_store_keeps_what_its_own_export_promises_to_the_last_digit(store: Store) -> None:
    tags = {**NETWORK_TAGS}
    log(Tracker(store), "convmixer", tags, test_accuracy=2 / 3, best_val_accuracy=0.5)
    export = json.loads(CliRunner().invoke(main, ["leaderboard", "--format", "json"]).stdout)
    promises = [{"run": row["run"], "test_accuracy": row["test_accuracy"]} for row in export]
    assert check(json.dumps(promises)).exit_code == 0
    assert check(json.dumps([{"run": "convmixer", "at_least": 0.66667}])).exit_code == 1


@pytest.mark.filterwarnings("error")
def test_a_promise_is_of_its_context_where_that_is_shown_and_else_of_all(store: Store) -> None:
    tags = {**NETWORK_TAGS, "context": "b2"}
    log(Tracker(store), "convmixer", tags, test_accuracy=0.3, best_val_accuracy=0.5)
    for context, shown, told in (
        ("a1", "all", ""),
        ("b2", "all", "below: ConvMixer Model, 30.00% in b2, promised 50.00%\n"),
        ("other", "all", "below: ConvMixer Model, 30.00% in b2, promised 50.00%\n"),
        ("a1", "b2", "below: ConvMixer Model, 30.00%, promised 50.00%\n"),
        ("b2", "a1", ""),
        ("b", "all", "below: ConvMixer Model, 30.00% in b2, promised 50.00%\n"),
        ("a", "all", ""),
    ):
        promise = f"system,context,at_least\nConvMixer Model,{context},0.5\n"
        result = check(promise, "--context", shown)
        assert (result.stderr, result.exit_code) == (told, int(told != ""))


def test_a_row_with_other_weights_is_another_one() -> None:
    rows = [{**BOARD, "at_least": 0.1}, {**BOARD, "weights": "imagenet", "at_least": 0.1}]
    result = check(json.dumps(rows))
    assert result.exit_code == 1
    assert result.stderr == "missing: ConvMixer Model, promised 10.00%\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "promises nothing"),
        ("system,accuracy\na,0.5\n", "promises nothing"),
        ("system,at_least\na,50\n", "at_least is a share"),
        ("system,at_least,test_accuracy_low\na,95%,0.1\n", "at_least is a share"),
        ('system,at_least,test_accuracy_low\na,"0,95",0.1\n', "at_least is a share"),
        ('[{"run": "a", "at_least": "95%", "test_accuracy": 0.1}]', "at_least is a share"),
        ("system,at_least,test_accuracy\na,0.5,50%\n", "test_accuracy is a share"),
        ("system,at_least\na,\n", "at_least is a share"),
        ("system,at_least\n,0.5\n", "system are texts"),
        ('[{"run": null, "at_least": 0.1}]', "run are texts"),
        ('[{"system": ["a"], "at_least": 0.1}]', "system are texts"),
    ],
)
def test_a_file_that_promises_nothing_is_told_in_one_line(content: str, reason: str) -> None:
    assert_one_line_error(check(content), reason)


def test_a_missing_file_and_another_view_are_told() -> None:
    run = CliRunner().invoke
    assert_one_line_error(run(main, ["leaderboard", "--check", "none"]), "cannot be read")
    other = run(main, ["leaderboard", "--check", "none", "--view", "all"])
    assert_one_line_error(other, "leave --view out")
