"""Turns runs into outcomes in a process of its own, which never outlives this one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from contextlib import suppress
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection

from benchmark.processes.signals import (
    Interrupted,
    end_with_parent,
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


class Worker:
    """A process that makes one run after another.

    Attributes:
        spec: The run that it is making.
        began: When, on the monotonic clock.
        connection: Where messages arrive.
    """

    def __init__(self) -> None:
        """Start the process."""
        self.spec: RunSpec | None = None
        self.began = 0.0
        context = multiprocessing.get_context("spawn")  # a fork would break threads and CUDA
        self.connection, other_end = context.Pipe()
        self._process = context.Process(target=_make_runs, args=(other_end,))
        with withheld_from_children():
            self._process.start()
        other_end.close()  # so that the connection ends with the process

    def begin(self, spec: RunSpec, options: RunOptions, *, force: bool) -> None:
        """Hand it a run; it must have none. See `run_one`."""
        self.spec, self.began = spec, time.monotonic()
        self.connection.send((spec, options, force))

    def receive(self) -> Message | None:
        """Wait for its next message; None if it died, which is then its end."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return None
        if isinstance(message, Outcome):
            self.spec = None
        return message

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


class _ToParent(QueueHandler):
    """Sends what is logged to the parent, which has the terminal."""

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record."""
        self.queue.send(record)  # type: ignore[attr-defined]


def _make_runs(connection: Connection) -> None:
    """Make the runs that come, until none comes any more."""
    end_with_parent()
    with suppress(Interrupted, EOFError), interrupted_by_signals():
        load_environment()
        logging.getLogger("registry").setLevel(logging.ERROR)  # of broken plugins the parent told
        logging.getLogger("benchmark").addHandler(_ToParent(connection))  # type: ignore[arg-type]
        while True:
            spec, options, force = connection.recv()
            report = lambda spec, result: connection.send(result)  # noqa: E731
            connection.send(run_one(spec, options, report, force=force))
