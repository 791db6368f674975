"""What is heavy is imported by the commands that need it, and by no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMPUTING = {"torch", "torchvision", "sklearn", "xgboost", "captum", "timm"}
RUNNING = {"mlflow", "sklearn", "xgboost", "captum", "matplotlib"}


@pytest.mark.parametrize(
    ("commands", "unneeded"),
    [
        (["--help", "run --nonsense"], {*COMPUTING, *RUNNING, "pandas", "rich", "pydantic"}),
        (["ls heads", "ls presets", "run x --set train.epoch=3"], {*COMPUTING, *RUNNING}),
        (["leaderboard", "ls runs"], COMPUTING),
        (["run resnet19"], RUNNING),
    ],
)
def test_a_command_leaves_alone_what_it_does_not_need(
    workplace: Path, commands: list[str], unneeded: set[str]
) -> None:
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        f"for command in {commands}:\n"
        "    try: main(command.split())\n"
        "    except SystemExit: pass\n"
        f"assert not {unneeded} & set(sys.modules), {unneeded} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
