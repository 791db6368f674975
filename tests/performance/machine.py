"""Turns this machine and checkout into the facts that every report begins with."""

from __future__ import annotations

import os

from benchmark.runs.environment import describe_environment
from benchmark.training.devices import find_device
from tests.performance.measure import ROOT


def describe() -> dict[str, str]:
    """Hardware, cores, commit and versions."""
    os.chdir(ROOT)
    facts = describe_environment(find_device("auto"))
    names = (
        "device",
        "hardware",
        "cpu_cores",
        "git_commit",
        "python",
        "torch",
        "scikit-learn",
        "xgboost",
    )
    return {name: facts[name] for name in names}
