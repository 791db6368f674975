"""Turns what is to be run, and this machine, into how many runs are made at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import psutil
import torch

from benchmark.execution.planning import memory_of
from benchmark.study.plan import RunSpec

Jobs = int | Literal["auto"]
"""How many runs at once, or as many as are faster."""
WORTH_SECONDS = 60.0
"""Runs that take less in all are made while a second process would still import its libraries."""


def jobs_at_once(todo: Sequence[RunSpec], device: torch.device, seconds: float | None) -> int:
    """Choose how many runs at once are faster than one after the other: two, or one.

    Each run computes with all cores: a second one fills what it leaves idle while it reads, draws
    and writes, and a third would find nothing left. A GPU has one network at a time, so that a
    second job there makes heads beside it.

    Args:
        todo: The runs that are not complete yet.
        device: Of the networks.
        seconds: How long they are expected to take in all; None if that is not known.
    """
    if len(todo) < 2 or os.cpu_count() == 1 or (seconds is not None and seconds < WORTH_SECONDS):
        return 1
    if device.type != "cpu" and all(spec.system.head is None for spec in todo):
        return 1
    held = sum(sorted(map(memory_of, todo))[-2:])
    return 2 if held <= psutil.virtual_memory().available else 1


def trials_at_once(jobs: Jobs, *, is_network: bool) -> int:
    """Choose how many trials at once are faster: trees grow on all cores, and end soon."""
    if jobs != "auto":
        return jobs
    return 2 if is_network and os.cpu_count() != 1 else 1
