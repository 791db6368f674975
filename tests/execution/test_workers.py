"""Workers answer one request at a time, share the cores, and are replaced if they die."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark.execution.workers import Lost, Processes, ThisProcess, Workers
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec
from benchmark.tracking.store import Store

THREADS = 6
OPTIONS = RunOptions(
    store=Store(uri="sqlite:///none.db", experiment="none"), home=Path(), threads=THREADS
)


@dataclass(frozen=True)
class Counting:
    """Counts what it was asked, warns of it, and dies of 0."""

    spec: RunSpec = None  # type: ignore[assignment]
    options: RunOptions = OPTIONS

    def answering(self, settle: Callable[[], RunOptions]) -> Callable[[Any], Any]:
        threads, asked = settle().threads, []

        def answer(request: int) -> tuple[int, int, int]:
            if request == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            logging.getLogger("benchmark.counting").warning("asked for %d", request)
            asked.append(request)
            return os.getpid(), threads, sum(asked)

        return answer


def hear(workers: Workers, count: int) -> dict[int, Any]:
    heard: dict[int, Any] = {}
    while len(heard) < count:
        heard |= workers.hear()
    return heard


def test_processes_keep_what_they_have_share_the_cores_and_pass_warnings_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workers = Processes.serving(Counting(), 2)
    workers.ask(0, 1)
    workers.ask(1, 10)
    first = hear(workers, 2)
    workers.ask(1, 20)
    again = hear(workers, 1)[1]
    assert again[0] == first[1][0]
    assert len({first[0][0], first[1][0], os.getpid()}) == 3
    assert (first[0][1:], again[1:]) == ((THREADS // 2, 1), (THREADS // 2, 30))
    assert sorted(caplog.messages) == ["asked for 1", "asked for 10", "asked for 20"]
    workers.end()
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_lost_and_another_stands_ready() -> None:
    workers = Processes.serving(Counting(), 1)
    workers.ask(0, 0)
    assert hear(workers, 1)[0] == Lost(reason="its process died by SIGKILL")
    workers.ask(0, 5)
    pid, threads, total = hear(workers, 1)[0]
    assert (threads, total) == (THREADS, 5)
    os.kill(pid, signal.SIGKILL)  # while it is idle
    assert isinstance(hear(workers, 1)[0], Lost)
    workers.ask(0, 6)
    pid = hear(workers, 1)[0][0]
    os.kill(pid, signal.SIGKILL)  # again, and it is asked before that is heard
    while multiprocessing.active_children():
        time.sleep(0.01)
    workers.ask(0, 7)
    assert hear(workers, 1)[0][1:] == (THREADS, 7)
    workers.end()


def test_this_process_works_while_it_is_heard() -> None:
    workers = ThisProcess(Counting())
    workers.ask(0, 7)
    assert hear(workers, 1) == {0: (os.getpid(), THREADS, 7)}
    workers.end()
