"""Turns what fails in a check into what its author has to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import PluginError, one_line


class CheckFailed(AssertionError):
    """A model or head does not keep a promise; the message says which, and what to change."""


@contextmanager
def advising(name: str, advice: str) -> Iterator[None]:
    """Say what to change where the author's own code fails in the ``with`` block.

    Args:
        name: Of the model or head.
        advice: Begins with what was being done, and says what to change.

    Raises:
        CheckFailed: In place of any exception; holds it as its cause.
    """
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ else error
        raise CheckFailed(f"{name}: {advice} ({one_line(cause)})") from error
