"""How the command line ends: by the user's mistake, by a fault of ours, by a reader that went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.processes.signals import Interrupted
from benchmark.runs.options import Outcome
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import Store
from registry import UserError

REPORT = "This is a fault of bench, not yours."


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `bench ls presets` raise an error."""

    def fail(config: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.ranking.listing.LISTINGS", {"presets": fail})


@pytest.mark.parametrize("few", [8, 0])
def test_an_interrupted_run_says_what_goes_on(
    image_folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    def make(spec: RunSpec, *given: object, **named: object) -> Outcome:
        if spec.name == "convmixer-scratch":
            raise Interrupted(signal.SIGINT)
        return Outcome(spec=spec, status="completed", run_id="0" * 32)

    monkeypatch.setattr("benchmark.execution.local.run_one", make)
    monkeypatch.setattr("benchmark.terminal.progress._FEW", few)
    names = ["basic_cnn", "convmixer"]
    command = ["run", *names, "--data", str(image_folder), "--set", "data.image_size=32"]
    for force in (False, True):
        result = bench(*command, "--device", "cpu", *["--force"] * force)
        assert result.exit_code == 130
        assert result.stderr.startswith("Interrupted (SIGINT)")
        assert ("The same command goes on where this one" in result.stderr) is not force
        begins_anew = "With --force, the same command makes all 2 runs again"
        assert (begins_anew in result.stdout) is force
        left = "with the same options: bench run convmixer-scratch --force"
        assert (left in result.stdout) is (force and few > 0)


def test_fault_of_ours_shows_its_traceback_and_asks_for_a_report(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, RuntimeError("we forgot"))
    result = bench("ls", "presets")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-2] == "RuntimeError: we forgot"
    assert lines[-1].startswith(REPORT)
    assert "bench --version" in lines[-1]


def test_value_error_from_the_depths_is_no_mistake_of_the_user(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmark.ranking.listing.LISTINGS",
        {"presets": lambda config: np.zeros(3) + np.zeros(4)},
    )
    result = bench("ls", "presets")
    assert result.exit_code == 1
    assert "ValueError: operands could not be broadcast" in result.stderr
    assert REPORT in result.stderr


def test_mistake_is_one_line_and_its_origin_is_shown_when_asked(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, UserError("write something\nelse"))
    result = bench("ls", "presets")
    assert (result.exit_code, result.stderr) == (2, "Error: write something else\n")
    result = bench("--traceback", "ls", "presets")
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("\nError: write something else\n")
    assert REPORT not in result.stderr


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--nonsense", "bench --help"),
        ("lss", "bench --help"),
        ("run --nonsense", "bench run --help"),
        ("run convmixer --jobs none", "bench run --help"),
        ("ls wheels", "bench ls --help"),
        ("explain", "bench explain --help"),
        ("ls", "bench ls --help"),
    ],
)
def test_wrong_command_line_is_one_line_that_says_where_help_is(
    workplace: Path, command: str, told: str
) -> None:
    result = bench(*command.split())
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(f"; see: {told}")
    assert "\\" not in line  # click puts what may be chosen on lines of their own


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trees", "--timeout", "0"], "not in the range"),
        (["extra_trees", "--space", ""], "--space is empty"),
        (["extra_trees", "--space", "max_depth,"], "has an empty name"),
        (["extra_trees", "--grid", "n_estimators=1:1000000000:1"], "1,000,000,000 cells"),
        (["extra_trees", "--grid", "max_depth=a"], "does not take max_depth=a"),
        (["extra_trees", "--grid", ""], "--grid is empty"),
        (["extra_trees", "--grid", "n_estimators=5", "--space", "max_depth"], "leave --space out"),
    ],
)
def test_a_sweep_that_cannot_be_is_told_before_anything_is_made(
    workplace: Path, arguments: list[str], told: str
) -> None:
    result = bench("sweep", *arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert told in line
    assert not (workplace / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("leaderboard --csv -", "- is no name of a file; write --csv FILE"),
        ("compare a b --table images --out a.html", "--out a.html goes with neither --table"),
        ("compare a b --format json --out a.html", "--out a.html goes with neither --table"),
        ("run basic_cnn --gpu-share 0.5", "--gpu-share 0.5 goes with --executor ray"),
        ("sweep trees --address a:1", "--address a:1 goes with --executor ray"),
        ("sweep --status --trials 3", "--status shows all sweeps; leave --trials out"),
        ("sweep trees --status", "--status shows all sweeps; leave the names out"),
        ("sweep --status --jobs 2 --data x", "--status shows all sweeps; leave --"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    workplace: Path, arguments: str, told: str
) -> None:
    result = bench(*arguments.split())
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (workplace / "home").exists()


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.parametrize(
    "command",
    ["run --timeout", "run --checkpoint", "run --gpu-share", "sweep --timeout", "predict --level"],
)
def test_neither_infinity_nor_nan_is_a_number(workplace: Path, command: str, number: str) -> None:
    result = bench(*command.split(), number, "basic_cnn")
    assert result.exit_code == 2
    assert number in result.stderr
    assert not (workplace / "home").exists()


@pytest.mark.parametrize("what", ["ls models", "ls settings --format csv", "run --help"])
def test_reader_that_has_gone_is_no_fault(workplace: Path, what: str) -> None:
    command = [sys.executable, "-m", "benchmark.cli", *what.split()]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


def test_a_folder_that_is_gone_is_told(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_HOME")
    monkeypatch.chdir(workplace)
    (workplace / "gone").mkdir()
    os.chdir(workplace / "gone")
    (workplace / "gone").rmdir()
    result = bench("ls", "presets")
    told = "Error: the folder that you are in is gone; type: cd DIR\n"
    assert (result.exit_code, result.stderr) == (2, told)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(workplace: Path, closed: str) -> None:
    command = f"exec '{sys.executable}' -m benchmark.cli ls presets {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("tuned" in done.stdout) is (">&-" not in closed.replace("2>&-", ""))
