"""Turns what a process of bench logs into messages to the one that has the terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.handlers import QueueHandler


class _Sends(QueueHandler):
    """Hands records to a function."""

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand a record, as plain values, to it."""
        self.queue(record)  # type: ignore[operator]


def pass_logs_on(send: Callable[[logging.LogRecord], object]) -> None:
    """Send what is logged in this process; of broken plugins the other one has told."""
    logging.getLogger("registry").setLevel(logging.ERROR)
    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Sends(send))  # type: ignore[arg-type]
