"""Turns how a sweep is launched into workers for its studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmark.execution.cluster import connected
from benchmark.execution.launch import Launch
from benchmark.execution.ray import check_reach
from benchmark.sweep.objective import Objective
from benchmark.sweep.ray_workers import OnRay
from benchmark.sweep.workers import InProcesses, InThisProcess, Workers


@contextmanager
def hiring(launch: Launch) -> Iterator[Callable[[Objective], Workers]]:
    """Find workers during the block, who are as many as `Launch.jobs` and its cluster say.

    Raises:
        UserError: There is no such cluster, or its other machines cannot reach the store.
    """

    def here(objective: Objective) -> Workers:
        # One network fills a GPU.
        fills = objective.target.head is None and launch.options.device != "cpu"
        if launch.jobs == 1 or fills:
            return InThisProcess(objective)
        return InProcesses(objective, launch.jobs)

    if launch.executor == "local":
        yield here
        return
    with connected(launch.address) as nodes:
        check_reach(nodes, launch.options)
        yield lambda objective: OnRay(objective, launch.on_ray)
