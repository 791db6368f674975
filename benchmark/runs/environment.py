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
    """Collect versions, hardware and the git commit of the checkout that has this code.

    Returns:
        Plain text by name; ``git_commit`` ends in ``-dirty`` where the checkout was changed, and
        is ``none`` where no repository keeps this file, as in a virtual environment inside one.
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
    file = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(file.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "none"
