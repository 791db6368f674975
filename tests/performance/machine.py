"""Turns this machine and checkout into the facts that every report begins with."""

from __future__ import annotations

import os

import torch

from benchmark.environment import describe_environment
from tests.performance.measure import ROOT


def describe() -> dict[str, str]:
    """Hardware, cores, commit and versions."""
    os.chdir(ROOT)
    facts = describe_environment(torch.device("cpu"))
    names = ("hardware", "cpu_cores", "git_commit", "python", "torch", "scikit-learn", "xgboost")
    return {name: facts[name] for name in names}
