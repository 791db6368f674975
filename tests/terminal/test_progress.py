"""What a terminal shows of a run, and a pipe does not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.execution.planning import plan_study
from benchmark.runs.options import Outcome
from benchmark.study.config import Config
from benchmark.study.suite import find_systems
from benchmark.terminal.progress import ProgressDisplay
from benchmark.training.trainer import EpochResult


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
        for epoch, accuracy in enumerate((0.1, 0.2, 0.5)):
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
