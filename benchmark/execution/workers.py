"""Turns requests into answers here, or in processes of this machine that never outlive this one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from benchmark.execution.executor import GRACE_SECONDS
from benchmark.execution.jobs import sharing
from benchmark.processes.passed_logs import pass_logs_on
from benchmark.processes.signals import (
    Interrupted,
    ending_with_parent,
    interrupted_by_signals,
    withheld_from_children,
)
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import load_environment

_LONGEST_WAIT = 86_400.0
"""Seconds; the operating system counts milliseconds, and no more of them than some 25 days."""


class Service(Protocol):
    """What workers are asked for; picklable."""

    @property
    def spec(self) -> RunSpec:
        """A run that takes as much of a machine, and the same images."""
        ...

    @property
    def options(self) -> RunOptions:
        """How runs are made."""
        ...

    def answering(self, settle: Callable[[], RunOptions]) -> Callable[[Any], Any]:
        """Begin in the process that works.

        Args:
            settle: Finds the options there; raises `UserError` if nothing can be made there.

        Returns:
            What answers the requests, which come one after the other.
        """
        ...


class Workers(Protocol):
    """Answer requests, each one at a time; what one has made, it has at hand."""

    @property
    def size(self) -> int:
        """How many there are, numbered from 0."""
        ...

    def ask(self, worker: int, request: Any) -> None:
        """Hand one, which is idle, a request."""
        ...

    def hear(self) -> Iterator[tuple[int, Any]]:
        """Wait for answers, or a `Lost` in place of one; may yield none."""
        ...

    def end(self) -> None:
        """End what goes on."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lost:
    """There is no answer.

    Attributes:
        reason: Why, in a few words.
        again: Whether another process, which stands ready, may have one.
    """

    reason: str
    again: bool = True


class ThisProcess:
    """See `Workers`: one, which works while it is heard."""

    size = 1

    def __init__(self, service: Service) -> None:
        """Begin.

        Args:
            service: What is asked for.
        """
        self._answer = service.answering(lambda: service.options)
        self._request: Any = None

    def ask(self, worker: int, request: Any) -> None:
        """See `Workers`."""
        self._request = request

    def hear(self) -> Iterator[tuple[int, Any]]:
        """See `Workers`."""
        yield 0, self._answer(self._request)

    def end(self) -> None:
        """There is nothing to end."""


class ChildProcess:
    """A process of this one's, which talks with it.

    Attributes:
        connection: Where messages arrive.
    """

    def __init__(self, target: Callable[[Connection], None]) -> None:
        """Start the process.

        Args:
            target: What it does, in the block of `at_work`.
        """
        where = f"{target.__module__}:{target.__qualname__}"
        context = multiprocessing.get_context("spawn")  # a fork would break threads and CUDA
        self.connection, other_end = context.Pipe()
        self._process = context.Process(target=ending_with_parent, args=(where, other_end))
        with withheld_from_children():
            self._process.start()
        other_end.close()  # so that the connection ends with the process

    @property
    def is_alive(self) -> bool:
        """Whether it can still answer."""
        return self._process.is_alive()

    def hear(self) -> Any:
        """Wait for its next message, or its death."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
        code = self._process.exitcode or 0
        by = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Lost(reason=f"its process died {by}")

    def ask_to_end(self) -> None:
        """Interrupt what it does."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for its end, and force it after a while."""
        self._process.join(GRACE_SECONDS)
        self._process.kill()
        self._process.join()
        self.connection.close()


class Processes:
    """See `Workers`: processes of this machine, each started when it is first asked."""

    def __init__(self, target: Callable[[Connection], None], size: int, *first: object) -> None:
        """Begin with none.

        Args:
            target: See `ChildProcess`.
            size: How many at most.
            first: What each is told before it is asked.
        """
        self.size = size
        self._target = target
        self._first = first
        self._started: dict[int, ChildProcess] = {}

    @classmethod
    def serving(cls, service: Service, size: int) -> Processes:
        """Those of a service, among which the cores are divided."""
        return cls(_serve, size, service, sharing(service.options, size))

    def ask(self, worker: int, request: Any) -> None:
        """See `Workers`; one that died while it was idle is replaced."""
        messages = [request]
        if worker in self._started and not self._started[worker].is_alive:
            self._started.pop(worker).end()
        if worker not in self._started:
            self._started[worker] = ChildProcess(self._target)
            messages = [*self._first, request]
        with suppress(BrokenPipeError):  # it is dead, as will be heard
            for message in messages:
                self._started[worker].connection.send(message)

    def hear(self, seconds: float | None = None) -> Iterator[tuple[int, Any]]:
        """See `Workers`; what is logged is passed on, all other messages are yielded.

        Also the death of an idle one is heard.

        Args:
            seconds: How long to wait at most, no message or not; None for any time.
        """
        there = {process.connection: worker for worker, process in self._started.items()}
        limit = None if seconds is None else min(seconds, _LONGEST_WAIT)
        for connection in wait(list(there), limit):
            worker = there[connection]  # type: ignore[index]
            message = self._started[worker].hear()
            if isinstance(message, logging.LogRecord):
                logging.getLogger(message.name).handle(message)
                continue
            if isinstance(message, Lost):
                del self._started[worker]
            yield worker, message

    def end(self, workers: Iterable[int] | None = None) -> None:
        """See `Workers`; or end some."""
        ending = [self._started.pop(worker) for worker in workers or list(self._started)]
        for process in ending:
            process.ask_to_end()
        for process in ending:
            process.end()


@contextmanager
def at_work(connection: Connection) -> Iterator[None]:
    """What a child process does, until it is interrupted or nothing comes from its parent."""
    # A parent that is killed ends the connection in any of these ways.
    with suppress(Interrupted, EOFError, ConnectionError), interrupted_by_signals():
        load_environment()
        pass_logs_on(connection.send)
        yield


def _serve(connection: Connection) -> None:
    """Answer the requests that come, until none comes any more."""
    with at_work(connection):
        service: Service = connection.recv()
        options: RunOptions = connection.recv()
        answer = service.answering(lambda: options)
        while True:
            connection.send(answer(connection.recv()))
