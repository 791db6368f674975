"""Turns progress into live lines of a terminal, and into nothing elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class LiveLines:
    """Lines of a place, a bar, a text and the time, while the ``with`` block runs.

    A task of `_live` is a line; its field ``place`` says which of how many it is.
    """

    def __init__(self, console: Console) -> None:
        """Begin with no line.

        Args:
            console: Where to.
        """
        self._console = console
        self._live = Progress(
            TextColumn("{task.fields[place]}"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
