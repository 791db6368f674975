"""What is heavy is imported by the commands that need it, and by no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import log

COMPUTING = {"torch", "torchvision", "sklearn", "xgboost", "captum", "timm"}
RUNNING = {"mlflow", "sklearn", "xgboost", "captum", "matplotlib"}


@pytest.mark.parametrize(
    ("commands", "unneeded"),
    [
        (
            {"--help": 0, "run --nonsense": 2},
            {*COMPUTING, *RUNNING, "pandas", "rich", "pydantic", "numpy"},
        ),
        (
            {"ls heads": 0, "ls presets": 0, "run x --set train.epoch=3": 2},
            {*COMPUTING, *RUNNING},
        ),
        ({"leaderboard": 2, "ls runs": 2}, COMPUTING),  # of a store that is not there
        ({"ls models": 0}, {*COMPUTING, *RUNNING}),
        (
            {"run resnet19": 2, "sweep resnet19": 2},
            {*COMPUTING, *RUNNING, "optuna", "pandas", "pydantic", "rich", "numpy"},
        ),
    ],
)
def test_a_command_leaves_alone_what_it_does_not_need(
    workplace: Path, commands: dict[str, int], unneeded: set[str]
) -> None:
    run_without(commands, unneeded)


def test_a_leaderboard_from_a_database_needs_no_mlflow(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store)
    for name, skill in (("good-scratch", 0.8), ("poor-scratch", 0.3)):
        log(tracker, name, skill, val=skill, folder=tmp_path)
    shown = run_without({"leaderboard": 0, "ls runs": 0}, {*COMPUTING, *RUNNING})
    assert "worse" in shown  # by their predictions of each image


def test_a_networks_first_step_waits_for_torch_and_mlflow_alone() -> None:
    command = [sys.executable, "-c", "import sys, benchmark.execution.launch; print(*sys.modules)"]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert {"torch", "mlflow"} <= set(loaded)
    assert not ({*COMPUTING, *RUNNING} - {"torch", "mlflow"}) & set(loaded)


def test_a_network_is_trained_without_torchs_compiler(
    workplace: Path, image_folder: Path, store: Store
) -> None:
    """What would load it, the check of the size and the count of its FLOPs, is known by then."""
    trained = (
        f"run basic_cnn-scratch --preset quick --no-explain --data {image_folder} "
        "--set data.image_size=32 --set train.epochs=1"
    )
    assert CliRunner().invoke(main, trained.split()).exit_code == 0
    shown = run_without({f"{trained} --seed 1": 0}, {"torch._dynamo", "torchvision", "timm"})
    assert "1 completed" in shown


def run_without(commands: dict[str, int], unneeded: set[str]) -> str:
    """Run commands, which end with such codes, in one process, and return what they print."""
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        f"for command, code in {commands}.items():\n"
        "    try: main(command.split())\n"
        "    except SystemExit as end: assert (end.code or 0) == code, (command, end.code)\n"
        f"assert not {unneeded} & set(sys.modules), {unneeded} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
