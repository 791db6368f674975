"""Turns what goes on into live lines of a terminal, and into nothing elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

METER_WIDTH = 20


class LiveLines(ABC):
    """Lines below what is printed, drawn again and again while the ``with`` block runs.

    A line that is wider than the terminal is cut at its end: what matters most stands first.
    """

    def __init__(self, console: Console) -> None:
        """Begin.

        Args:
            console: Where to.
        """
        self._console = console
        self._live: Live | None = None

    @abstractmethod
    def lines(self) -> Sequence[Text]:
        """What is to be seen now; called from another thread."""

    def _draw(self) -> Group:
        shown = self.lines()
        for one in shown:
            one.no_wrap, one.overflow = True, "ellipsis"
        return Group(*shown)

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._live = Live(console=self._console, get_renderable=self._draw, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def meter(done: float, total: float) -> tuple[tuple[str, str], tuple[str, str]]:
    """Draw how much of a total is done, as two parts of a line."""
    full = round(METER_WIDTH * min(1.0, done / total)) if total else 0
    return ("━" * full, "cyan"), ("━" * (METER_WIDTH - full), "dim")
