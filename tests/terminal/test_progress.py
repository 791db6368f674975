"""What a terminal shows of a run, and a pipe does not."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.execution.forecast import Forecast
from benchmark.execution.planning import plan_study
from benchmark.runs.options import Outcome, Status
from benchmark.study.config import Config
from benchmark.study.suite import find_systems
from benchmark.terminal.console import make_console
from benchmark.terminal.numbers import duration
from benchmark.terminal.progress import ProgressDisplay
from benchmark.training.epochs import EpochResult

RESULT = EpochResult(
    epoch=1,
    train_loss=1.0,
    train_accuracy=0.5,
    val_loss=2.0,
    val_accuracy=0.5,
    seconds=1.0,
)


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_has_the_curve_of_a_run(
    terminal: bool, config: Config, workplace: Path
) -> None:
    plan = plan_study(config, find_systems(["convmixer"]), Path("home")).plan
    (spec,) = plan
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=terminal)
    with ProgressDisplay(console, plan) as display:
        display.started(spec)
        for epoch, accuracy in enumerate((0.1, 0.2, 0.5), start=1):
            result = EpochResult(
                epoch=epoch,
                train_loss=1.0,
                train_accuracy=accuracy,
                val_loss=1.0,
                val_accuracy=accuracy,
                seconds=1.0,
            )
            display.epoch(spec, result)
        display.ended(
            Outcome(spec=spec, status="completed", test_accuracy=0.4, remark="no map of [/x]")
        )
    shown = file.getvalue()
    assert ("▁▃█" in shown) == terminal
    assert "40.00%" in shown
    assert "no map of [/x]" in shown


@pytest.mark.parametrize(
    ("terminal", "variable", "value"), [(False, "FORCE_COLOR", "1"), (True, "TERM", "dumb")]
)
@pytest.mark.usefixtures("workplace")
def test_where_no_line_is_drawn_again_starts_and_epochs_are_printed(
    terminal: bool,
    variable: str,
    value: str,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = plan_study(config, find_systems(["convmixer"]), Path("home")).plan
    (spec,) = plan
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with ProgressDisplay(make_console(), plan) as display:
        display.started(spec)
        display.epoch(spec, RESULT)
    shown = capsys.readouterr().out
    assert "run 1 of 1: convmixer-scratch" in shown
    assert "epoch 1/3" in shown
    assert "\x1b[2K" not in shown


HOSTILE = "OSError: [/data/x] [bold]is \x1b[31mnot\u202e there\x07"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_reason_is_shown_as_it_is_whatever_it_holds(
    terminal: bool, status: Status, config: Config, workplace: Path
) -> None:
    plan = plan_study(config, find_systems(["convmixer"]), Path("home")).plan
    (spec,) = plan
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=terminal, color_system=None)
    with ProgressDisplay(console, plan) as display:
        display.started(spec)
        display.ended(Outcome(spec=spec, status=status, reason=HOSTILE))
    assert "OSError: [/data/x] [bold]is \\x1b[31mnot\\u202e there\\x07" in file.getvalue()
    assert "\x1b[31m" not in file.getvalue()


def test_live_lines_fit_the_terminal_and_begin_with_what_matters(
    config: Config, workplace: Path
) -> None:
    name = "resnet18-frozen/random_forest-n300-d24"
    plan = plan_study(config, find_systems(["convmixer", name]), Path("home")).plan
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    display = ProgressDisplay(console, plan)
    spec = next(spec for spec in plan if spec.name == "resnet18-frozen")
    display.started(spec)
    display.epoch(spec, RESULT)
    display.started(next(spec for spec in plan if spec.name == name))
    texts = [one.plain for one in display.lines()]
    assert all(len(text) <= 80 for text in texts)
    assert "epoch 1/3, at most" in texts[0]
    assert "val 2.000  accuracy" in texts[1]
    assert name in texts[2]
    assert f"0 of {len(plan)} runs" in texts[3]
    forecast = Forecast()
    for one in plan:
        forecast.learn(one, seconds=100)
    known = ProgressDisplay(console, plan, forecast)
    known.started(spec)
    (run, everything) = [one.plain for one in known.lines()]
    assert "at most 1 min 40 s left" in run
    assert everything.endswith(f"about {duration(100 * len(plan))} left in all")
    assert max(len(run), len(everything)) <= 80


def test_runs_side_by_side_share_the_time_that_is_left(config: Config, workplace: Path) -> None:
    plan = plan_study(config, find_systems(["convmixer", "basic_cnn"]), Path("home")).plan
    forecast = Forecast()
    for one in plan:
        forecast.learn(one, seconds=100)
    display = ProgressDisplay(Console(file=io.StringIO(), width=80), plan, forecast)
    for one in plan:
        display.started(one)
    assert display.lines()[-1].plain.endswith(f"about {duration(100)} left in all")


def test_a_pipe_is_told_after_each_run_how_long_all_takes(config: Config, workplace: Path) -> None:
    plan = plan_study(config, find_systems(["convmixer", "basic_cnn"]), Path("home")).plan
    first, second = plan
    file = io.StringIO()
    forecast = Forecast()
    forecast.learn(second, seconds=100)
    with ProgressDisplay(Console(file=file, width=200), plan, forecast) as display:
        display.started(first)
        display.ended(Outcome(spec=first, status="completed", test_accuracy=0.4))
        display.started(second)
        display.ended(Outcome(spec=second, status="completed", test_accuracy=0.4))
    one, other = [line for line in file.getvalue().splitlines() if "40.00%" in line]
    assert one.endswith(", about 1 min 40 s left in all")
    assert "left" not in other
