"""Turns the signals that ask a process to end into one exception, and a parent's end into its own.

What a process inherits is not asked: shells start what is put into the background, and many
programs what they start, with SIGINT ignored. Only SIGHUP stays ignored, by which ``nohup`` says
that a command is to outlive its terminal.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from types import FrameType

PATIENCE_SECONDS = 1.0
"""So soon after the first, another SIGINT is the same one, sent to the process and to its group."""
_SOON_SECONDS = 0.05
"""By then Python is back from where an exception was dropped."""
_ENDING = [one for one in signal.Signals if one.name in ("SIGINT", "SIGTERM", "SIGHUP")]


class Interrupted(KeyboardInterrupt):
    """A signal has asked this process to end."""

    def __init__(self, number: int) -> None:
        """Remember which.

        Args:
            number: Of the signal.
        """
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What shells give a program that a signal ended."""
        return 128 + self.number


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise `Interrupted` in the block upon the first signal; a second Ctrl-C ends at once.

    Where it strikes code whose exceptions Python drops, as callbacks of weak references, it is
    raised again. In a thread other than the main one, signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[tuple[int, float]] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not heard:
            heard.append((number, time.monotonic()))
            raise Interrupted(number)
        if number == signal.SIGINT and time.monotonic() - heard[0][1] > PATIENCE_SECONDS:
            os._exit(128 + number)

    report = sys.unraisablehook

    def raise_again(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            report(dropped)
            return
        heard.clear()
        threading.Timer(_SOON_SECONDS, _interrupt_main, (dropped.exc_value.number,)).start()

    before = {
        number: signal.signal(number, interrupt)
        for number in _ENDING
        if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
    }
    sys.unraisablehook = raise_again
    try:
        yield
    except KeyboardInterrupt as stop:
        if heard and not isinstance(stop, Interrupted):  # Ray raises its own in place of it
            raise Interrupted(heard[0][0]) from stop
        raise
    finally:
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt_main(number: int) -> None:
    """Send the main thread a signal, which also ends its waiting; on Windows it does not."""
    if hasattr(signal, "pthread_kill"):
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, number)
    else:
        interrupt_main(signal.Signals(number))


@contextmanager
def withheld_from_children() -> Iterator[None]:
    """Keep from children that are started in the block what a terminal sends to all processes.

    Their parent hears it and ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # as a child like any other it would let them through again
    withheld = [signal.SIGINT, signal.SIGHUP]
    signal.pthread_sigmask(signal.SIG_BLOCK, withheld)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, withheld)


def ending_with_parent(target: str, *arguments: object) -> None:
    """Call a function in this process, which `multiprocessing` has started, while its parent lives.

    The parent is watched before anything is imported that takes seconds.

    Args:
        target: ``MODULE:FUNCTION``.
        arguments: The function's.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    module, _, name = target.partition(":")
    getattr(import_module(module), name)(*arguments)
