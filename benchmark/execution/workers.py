"""Turns runs into outcomes in a process of its own, which never outlives this one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from benchmark.processes.passed_logs import pass_logs_on
from benchmark.processes.signals import (
    Interrupted,
    ending_with_parent,
    interrupted_by_signals,
    withheld_from_children,
)
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import run_one
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import load_environment
from benchmark.training.epochs import EpochResult

GRACE_SECONDS = 10.0
"""How long a process may take to mark its run as killed before it is ended without."""
Message = EpochResult | logging.LogRecord | Outcome
"""What a worker tells of its run; the outcome comes last."""


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

    def hear(self) -> Any:
        """Wait for its next message; None if it died, which is then its end."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return None

    @property
    def cause_of_death(self) -> str:
        """In a few words."""
        code = self._process.exitcode or 0
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def ask_to_end(self) -> None:
        """Interrupt what it does."""
        self._process.terminate()

    def end(self) -> None:
        """Wait for its end, and force it after a while."""
        self._process.join(GRACE_SECONDS)
        self._process.kill()
        self._process.join()
        self.connection.close()


class Worker(ChildProcess):
    """A process that makes one run after another.

    Attributes:
        spec: The run that it is making.
        began: When, on the monotonic clock.
    """

    def __init__(self) -> None:
        """Start the process."""
        super().__init__(_make_runs)
        self.spec: RunSpec | None = None
        self.began = 0.0

    def begin(self, spec: RunSpec, options: RunOptions, *, force: bool) -> None:
        """Hand it a run; it must have none. See `run_one`."""
        self.spec, self.began = spec, time.monotonic()
        self.connection.send((spec, options, force))

    def receive(self) -> Message | None:
        """Wait for its next message; None if it died, which is then its end."""
        message: Message | None = self.hear()
        if isinstance(message, Outcome):
            self.spec = None
        return message


@contextmanager
def at_work(connection: Connection) -> Iterator[None]:
    """What a child process does, until it is interrupted or nothing comes from its parent."""
    # A parent that is killed ends the connection in any of these ways.
    with suppress(Interrupted, EOFError, ConnectionError), interrupted_by_signals():
        load_environment()
        pass_logs_on(connection.send)
        yield


def _make_runs(connection: Connection) -> None:
    """Make the runs that come, until none comes any more."""
    with at_work(connection):
        while True:
            spec, options, force = connection.recv()
            report = lambda spec, result: connection.send(result)  # noqa: E731
            connection.send(run_one(spec, options, report, force=force))
