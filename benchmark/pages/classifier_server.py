"""Turns an application and a port into a server that ends when it is asked to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from benchmark.processes.signals import Interrupted

if TYPE_CHECKING:
    from fastapi import FastAPI

CONNECTIONS = 512
GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Ends upon SIGHUP, too, and then says by which signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        received: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            received.append(number)
            self.handle_exit(number, frame)

        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before = {
            number: signal.signal(number, stop)
            for number in numbers
            # nohup asks that it stay ignored
            if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if received:
            raise Interrupted(received[0])


def serve_until_interrupted(app: FastAPI, listening: socket) -> None:
    """Answer requests until a signal.

    Args:
        app: What answers.
        listening: Bound to a port of this machine.

    Raises:
        Interrupted: Upon SIGINT, SIGTERM or SIGHUP; requests under way are answered first.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64_000,
        server_header=False,
    )
    _Server(config).run(sockets=[listening])
