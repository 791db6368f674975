"""Signals that end a process whatever it inherited, and children that end with their parent."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO

import psutil
import pytest

from benchmark.processes.signals import (
    Interrupted,
    ending_with_parent,
    interrupted_by_signals,
    withheld_from_children,
)

WAITS = """
import time
from benchmark.processes.signals import Interrupted, interrupted_by_signals
try:
    with interrupted_by_signals():
        print("ready", flush=True)
        time.sleep(60)
except Interrupted as stop:
    print(stop, flush=True)
    raise SystemExit(stop.exit_code)
"""

DROPS_IT_AT_FIRST = """
import time, weakref
from benchmark.processes.signals import Interrupted, interrupted_by_signals
class Gone: pass
def callback(reference):
    print("ready", flush=True)
    time.sleep(60)
try:
    with interrupted_by_signals():
        gone = Gone()
        reference = weakref.ref(gone, callback)
        del gone
        print("went on", flush=True)
        time.sleep(60)
except Interrupted as stop:
    raise SystemExit(stop.exit_code)
"""

ENDS_SLOWLY = """
import time
from types import SimpleNamespace
from benchmark.processes import signals
now = 0.0
signals.time = SimpleNamespace(monotonic=lambda: now)
with signals.interrupted_by_signals():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        now = float(input())
        print("later", flush=True)
        time.sleep(60)
"""


def inheriting(handler: signal.Handlers, *numbers: signal.Signals) -> Callable[[], None]:
    """Let a child inherit what becomes of these."""

    def inherit() -> None:
        for number in numbers:
            signal.signal(number, handler)

    return inherit


def ignoring(*numbers: signal.Signals) -> Callable[[], None]:
    """Let a child inherit that these are ignored."""
    return inheriting(signal.SIG_IGN, *numbers)


def begun(code: str, before: Callable[[], None] = lambda: None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, preexec_fn=before)
    assert said(child).readline() == "ready\n"
    return child


def said(child: subprocess.Popen[str]) -> IO[str]:
    assert child.stdout is not None
    return child.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_its_own_exit_code(number: signal.Signals) -> None:
    with begun(WAITS, inheriting(signal.SIG_DFL, number)) as child:
        child.send_signal(number)
        assert child.wait(10) == 128 + number
        assert said(child).read() == f"{number.name}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_strikes_where_python_drops_exceptions_ends_all_the_same(
    number: signal.Signals,
) -> None:
    with begun(DROPS_IT_AT_FIRST) as child:
        child.send_signal(number)
        assert child.wait(10) == 128 + number
        assert said(child).read() == "went on\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_inherited_as_ignored_ends_all_the_same(number: signal.Signals) -> None:
    with begun(WAITS, ignoring(signal.SIGINT, signal.SIGTERM)) as child:
        child.send_signal(number)
        assert child.wait(10) == 128 + number


def test_nohup_outlives_its_terminal() -> None:
    with begun(WAITS, ignoring(signal.SIGHUP)) as child:
        child.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert child.poll() is None
        child.terminate()


def test_one_interruption_is_enough_and_a_later_ctrl_c_ends_at_once() -> None:
    with begun(ENDS_SLOWLY) as child:
        child.send_signal(signal.SIGTERM)
        assert said(child).readline() == "ending\n"
        child.send_signal(signal.SIGHUP)
        child.send_signal(signal.SIGINT)
        assert child.stdin is not None
        child.stdin.write("1.2\n")
        child.stdin.flush()
        assert said(child).readline() == "later\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 128 + signal.SIGINT


def child_of_a_killed_parent() -> None:
    """Run by a process that this module starts: begins a child and waits to be killed."""
    with withheld_from_children():
        child = multiprocessing.get_context("spawn").Process(
            target=ending_with_parent, args=("tests.processes.endless:never",)
        )
        child.start()
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    time.sleep(60)


def test_a_child_that_still_imports_ends_when_its_parent_is_killed() -> None:
    code = (
        "from tests.processes.test_signals import child_of_a_killed_parent\n"
        "if __name__ == '__main__':\n    print('ready', flush=True)\n    child_of_a_killed_parent()"
    )
    with begun(code) as parent:
        pid = int(said(parent).readline())
        assert said(parent).readline() == "ready\n"
        child = psutil.Process(pid)
        parent.kill()
        child.wait(timeout=10)


def raise_as_ray_does() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except Interrupted:
        raise KeyboardInterrupt from None


def test_a_library_that_raises_an_interruption_of_its_own_hides_no_signal() -> None:
    with pytest.raises(Interrupted) as told, interrupted_by_signals():
        raise_as_ray_does()
    assert told.value.number == signal.SIGTERM
