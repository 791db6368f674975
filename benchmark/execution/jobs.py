"""Turns what is to be run, and this machine, into how many runs are made at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Literal

import psutil
import torch

from benchmark.execution.planning import memory_of
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec

Jobs = int | Literal["auto"]
"""How many runs at once, or as many as are faster."""
FEW = 2
"""Cores that two runs do not share with a gain to rely on."""
START_SECONDS = 10.0
"""What a second process takes until it makes its first run."""
SLOWED = 1.8
"""How many times as long a run takes on half of the cores."""


def jobs_at_once(
    todo: Sequence[RunSpec], device: torch.device, seconds: Callable[[RunSpec], float | None]
) -> int:
    """Choose how many runs at once are faster than one after the other: two, or one.

    Two on half of the cores each waste less of them than one on all, unless one of them is so long
    that it ends alone, or there are but two: the quick study was 1.14, 1.10 and 0.97 times as fast
    on two of an AMD EPYC, 0.92 and 0.94 times on two of an Intel Xeon with AMX. A GPU has one
    network at a time, so that a second job there makes heads.

    Args:
        todo: The runs that are not complete yet.
        device: Of the networks.
        seconds: How long a run is expected to take alone; None if that is not known.
    """
    if os.cpu_count() == 1 or sum(sorted(map(memory_of, todo))[-2:]) > _available():
        return 1
    if device.type != "cpu":
        return 2 if len({spec.system.head is None for spec in todo}) == 2 else 1
    if (os.cpu_count() or 1) <= FEW:
        return 1
    alone = {spec.id: seconds(spec) for spec in todo}
    known = {id_: one for id_, one in alone.items() if one is not None}
    if len(known) < len(alone):
        return 1
    slowed = {id_: SLOWED * one for id_, one in known.items()}
    return 2 if START_SECONDS + together(todo, slowed) < sum(known.values()) else 1


def together(todo: Sequence[RunSpec], seconds: Mapping[str, float]) -> float:
    """How long runs take that are made two at once, each as soon as those that it needs are."""
    waiting, ended = list(todo), set[str]()
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        ready = (one for one in waiting if ended >= {*one.needs} & seconds.keys())
        if len(running) < 2 and (spec := next(ready, None)):
            waiting.remove(spec)
            heappush(running, (now + seconds[spec.id], spec.id))
        else:
            now, id_ = heappop(running)
            ended.add(id_)
    return now


def _available() -> int:
    return int(psutil.virtual_memory().available)


def trials_at_once(jobs: Jobs, *, is_network: bool) -> int:
    """Choose how many trials at once are faster: two of networks, one of trees.

    Trees grow on all cores, and end soon. On few cores, two networks at once have no gain to rely
    on, as `jobs_at_once` has measured.
    """
    if jobs != "auto":
        return jobs
    return 2 if is_network and (os.cpu_count() or 1) > FEW else 1


def sharing(options: RunOptions, at_once: int) -> RunOptions:
    """The same options, with the cores divided among so many runs.

    More threads than cores wait for each other at the end of each operation. On two cores of an AMD
    EPYC, at 64 pixels, two trainings at once took 2.4 times (ResNet-18) and 2.9 times (ConvMixer)
    as long as in turn with two threads each; with one each they were 1.08 and 1.28 times as fast.
    """
    return replace(options, threads=max(1, options.threads // at_once))
