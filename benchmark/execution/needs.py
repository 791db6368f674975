"""Turns a run into what it takes of a machine, and what no machine has into a reason to fail."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.execution.cluster import Node
from benchmark.execution.planning import memory_of
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec
from benchmark.tracking.patience import LIMIT_SECONDS
from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.execution.ray import RayExecutor

logger = logging.getLogger(__name__)


def needs_of(
    spec: RunSpec, executor: RayExecutor, nodes: list[Node], options: RunOptions
) -> dict[str, Any]:
    """What a run takes of the machine that makes it, in Ray's words.

    Raises:
        UserError: There is no machine.
    """
    if not nodes:
        raise UserError("the Ray cluster has no node with a processor to spare; ray start one")
    share = max(1, (os.cpu_count() or 1) // executor.jobs)
    cpus = min(share, *(node.cpus for node in nodes))
    is_head = spec.system.head is not None
    has_gpus = options.device != "cpu" and any(node.gpus for node in nodes)
    suited = [node for node in nodes if node.gpus or is_head or not has_gpus]
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(options.threads))}
    needs = {
        "num_cpus": cpus,
        "num_gpus": 0,
        "memory": min(memory_of(spec), max(node.memory for node in suited)),
        "runtime_env": {"env_vars": environment},
    }
    if has_gpus:
        if not is_head:
            return {**needs, "num_cpus": 1, "num_gpus": executor.gpu_share}
        environment["CUDA_VISIBLE_DEVICES"] = ""  # without GPUs of its own, it would see all
    return needs


def more_memory(executor: RayExecutor) -> str:
    """What to do if a machine has too little."""
    return f"use {'fewer --jobs, or ' if executor.jobs > 1 else ''}a machine with more"


class Unmet:
    """Needs that no machine of a cluster meets, each since when.

    Ray queues what has them for ever, without a word. Here it waits as long as for a store that is
    away: a machine that restarts is back by then.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._since: dict[str, float] = {}

    def reason(self, needs: Mapping[str, Any], nodes: Sequence[Node]) -> str:
        """Why to wait no longer; empty while there is a machine, or may be one soon.

        Args:
            needs: Of a process, in Ray's words.
            nodes: Those that are there.
        """
        told = _told(needs)
        if any(_fits(needs, node) for node in nodes):
            self._since.pop(told, None)
            return ""
        limit = f"{LIMIT_SECONDS / 60:.0f} minutes"
        if told not in self._since:
            self._since[told] = time.monotonic()
            what_next = "start one (ray start), or all that needs it fails in"
            logger.warning("no machine of the cluster has %s; %s %s", told, what_next, limit)
        if time.monotonic() - self._since[told] < LIMIT_SECONDS:
            return ""
        return f"no machine of the cluster had {told} for {limit}; start one, then type the same"


def _fits(needs: Mapping[str, Any], node: Node) -> bool:
    """Whether a machine has room for a process, at least while it is idle."""
    has = {"num_cpus": node.cpus, "num_gpus": node.gpus, "memory": node.memory}
    return all(needs[name] <= number for name, number in has.items())


def _told(needs: Mapping[str, Any]) -> str:
    gpus = f", {needs['num_gpus']:g} GPU" if needs["num_gpus"] else ""
    return f"{needs['num_cpus']} CPU{gpus} and {needs['memory'] / 1e9:.1f} GB of memory"
