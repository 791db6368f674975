"""`bench ui` as a process of its own: what ends it ends its server, too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import takewhile

import pytest

from benchmark.tracking.store import Store


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def ui(store: Store, port: int) -> Iterator[subprocess.Popen[str]]:
    """It serves, and has inherited that SIGINT is ignored, as what a shell puts behind it does."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmark.cli", "ui", "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        assert process.stdout is not None
        list(takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        yield process
        process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_whatever_ends_it_frees_the_port(
    ui: subprocess.Popen[str], port: int, number: signal.Signals, exit_code: int
) -> None:
    assert listens(port)
    ui.send_signal(number)
    assert ui.wait(60) == exit_code
    until = time.monotonic() + 20
    while listens(port) and time.monotonic() < until:
        time.sleep(0.2)
    assert not listens(port)
