"""Turns requests for the next step of trials into replies: here, in processes, or on a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Protocol

import torch

from benchmark.execution.cluster import connected
from benchmark.execution.jobs import trials_at_once
from benchmark.execution.launch import Launch
from benchmark.execution.ray import check_reach
from benchmark.execution.workers import ChildProcess, at_work
from benchmark.sweep.measuring import Measuring, Reply
from benchmark.sweep.objective import Objective
from benchmark.sweep.ray_workers import OnRay
from benchmark.sweep.space import Params


class Workers(Protocol):
    """Measure trials, each one at a time; what one has grown, it has at hand."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def ask(self, worker: int, params: Params | None) -> None:
        """Have one go a step further; see `Measuring.answer`."""
        ...

    def hear(self) -> Iterator[tuple[int, Reply]]:
        """Wait for replies of those that were asked; may yield none."""
        ...

    def end(self) -> None:
        """End what goes on."""
        ...


class InThisProcess:
    """See `Workers`: one, which works while it is heard."""

    size = 1

    def __init__(self, objective: Objective) -> None:
        """Begin.

        Args:
            objective: What is measured.
        """
        self._measuring = Measuring(objective.prepare)
        self._asked: Params | None = None

    def ask(self, worker: int, params: Params | None) -> None:
        """See `Workers`."""
        self._asked = params

    def hear(self) -> Iterator[tuple[int, Reply]]:
        """See `Workers`."""
        yield 0, self._measuring.answer(self._asked)

    def end(self) -> None:
        """There is nothing to end."""


class InProcesses:
    """See `Workers`: processes of this machine, which are started when they are needed."""

    def __init__(self, objective: Objective, size: int) -> None:
        """Begin with none.

        Args:
            objective: What is measured.
            size: How many at most.
        """
        self.size = size
        self._objective = objective
        self._processes: dict[int, ChildProcess] = {}
        self._asked: set[int] = set()

    def ask(self, worker: int, params: Params | None) -> None:
        """See `Workers`."""
        if worker not in self._processes:
            self._processes[worker] = ChildProcess(_measure)
            self._send(worker, self._objective)
        self._send(worker, params)
        self._asked.add(worker)

    def _send(self, worker: int, message: Objective | Params | None) -> None:
        with suppress(BrokenPipeError):  # it is dead, as will be heard
            self._processes[worker].connection.send(message)

    def hear(self) -> Iterator[tuple[int, Reply]]:
        """See `Workers`; what is logged is passed on."""
        asked = {self._processes[worker].connection: worker for worker in self._asked}
        for connection in wait(list(asked)):
            worker = asked[connection]  # type: ignore[index]
            match self._processes[worker].hear():
                case logging.LogRecord() as record:
                    logging.getLogger(record.name).handle(record)
                case Reply() as reply:
                    self._asked.discard(worker)
                    yield worker, reply
                case None:
                    self._asked.discard(worker)
                    yield worker, Reply(died=self._processes.pop(worker).cause_of_death)

    def end(self) -> None:
        """See `Workers`."""
        for process in self._processes.values():
            process.ask_to_end()
        for process in self._processes.values():
            process.end()


def _measure(connection: Connection) -> None:
    """Answer the requests that come, until none comes any more."""
    with at_work(connection):
        objective: Objective = connection.recv()
        torch.set_num_threads(objective.options.threads)
        measuring = Measuring(objective.prepare)
        while True:
            connection.send(measuring.answer(connection.recv()))


@contextmanager
def hiring(launch: Launch) -> Iterator[Callable[[Objective], Workers]]:
    """Find workers during the block, who are as many as `trials_at_once` and its cluster say.

    Raises:
        UserError: There is no such cluster, or its other machines cannot reach the store.
    """

    def here(objective: Objective) -> Workers:
        is_network = objective.target.head is None
        fills = is_network and launch.options.device != "cpu"  # a GPU, alone
        at_once = trials_at_once(launch.jobs, is_network=is_network)
        return (
            InThisProcess(objective) if at_once == 1 or fills else InProcesses(objective, at_once)
        )

    if launch.executor == "local":
        yield here
        return
    with connected(launch.address) as nodes:
        check_reach(nodes, launch.options)
        yield lambda objective: OnRay(objective, launch.on_ray)
