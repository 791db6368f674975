"""Turns this machine and the code that runs into the facts that a result should carry."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from benchmark.training.devices import hardware

PACKAGES = (
    "classifier-bench",
    "torch",
    "torchvision",
    "timm",
    "mlflow",
    "xgboost",
    "scikit-learn",
    "numpy",
    "pillow",
)


def describe_environment(device: torch.device) -> dict[str, str]:
    """Collect versions, hardware and the git commit of the checkout that this code lies in.

    Returns:
        Plain text by name; ``git_commit`` ends in ``-dirty`` where the checkout was changed, and
        is ``none`` outside a repository.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hardware": hardware(device),
        "cpu_cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "device": str(device),
        "git_commit": _git_commit(),
        **{package: version(package) for package in PACKAGES},
    }


def _git_commit() -> str:
    # Not of the current folder: git runs programs that a repository's own settings name.
    command = ["git", "-C", str(Path(__file__).parent)]
    command += ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
