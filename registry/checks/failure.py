"""Turns what fails in a check into what its author has to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import PluginError, one_line
from registry.specs import HeadSpec, ModelSpec


class CheckFailed(AssertionError):
    """A model or head does not keep a promise; the message says which, and what to change."""


class Checked:
    """A model or head that is being checked."""

    spec: ModelSpec | HeadSpec

    @contextmanager
    def advising(self, advice: str) -> Iterator[None]:
        """Say what to change where the author's own code fails in the ``with`` block.

        Args:
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
            raise self.fail(f"{advice} ({one_line(cause)})") from error

    def fail(self, what: str) -> CheckFailed:
        """Say what is wrong."""
        return CheckFailed(f"{self.spec.name}: {what}")
