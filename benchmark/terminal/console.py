"""Turns foreign text and styles into lines of a console that takes no text for markup."""

from __future__ import annotations

import os
import shutil
import sys

from rich.console import Console
from rich.text import Text

from registry.printable import printable


def make_console() -> Console:
    """A console as wide as the terminal, and as wide as the table where there is none.

    It is interactive, so that lines may be drawn again, in a terminal that is not dumb, and not
    where colours alone are forced (``FORCE_COLOR``), as in the logs of a CI.
    """
    width, is_terminal = None, sys.stdout.isatty()
    columns = os.environ.get("COLUMNS", "")
    if not columns.strip("0"):  # 0 is no width, and Rich would print nothing at all
        if not is_terminal:
            width = 1000
        elif columns:
            width = shutil.get_terminal_size().columns
    return Console(
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        force_interactive=None if is_terminal else False,
    )


def line(*parts: str | tuple[str, str], style: str = "") -> Text:
    """Put texts and (text, style) into a line, whatever characters they hold."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((printable(text), own) for text, own in pairs), style=style)


def print_lines(console: Console, *lines: Text) -> None:
    """Print lines, folded where there is a terminal's width to fold them to."""
    for one in lines:
        console.print(one, highlight=False, soft_wrap=not console.is_interactive)
