"""Turns foreign text (names of files and classes, reasons out of libraries) into text to show.

And numbers, for messages of the rooms below the terminal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what moves the cursor, turns the direction or is no character."""
_JOINERS = "\u200c\u200d"
"""They belong to words of some scripts, and to many emoji."""


def printable(text: object, keep: str = "") -> str:
    r"""Write control characters as Python does: ESC as ``\x1b``, a line break as ``\n``.

    Args:
        text: Anything; of what is no text, its text.
        keep: Control characters to leave as they are.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _ESCAPED and character not in keep + _JOINERS
        else character
        for character in text
    )


def marked(text: str) -> str:
    """Make text printable, and escape what Markdown would take for its own signs."""
    return re.sub(r"[\\`*\[\]<>|]|(?<!\w)_|_(?!\w)", r"\\\g<0>", printable(text))


def shortened(text: str, most: int) -> str:
    """Take the middle out of what is longer than so many characters."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def listed(names: Sequence[str], shown: int = 3, separator: str = ", ") -> str:
    """Name the first ones, and count the others: ``a, b, c and 2 more``."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return separator.join(names[:shown]) + more


def rounded(number: float, digits: int = 3) -> str:
    """Write a number to so many digits, without a power of ten: 1234.5 -> 1,230, 0.05 -> 0.05."""
    return f"{Decimal(f'{number:.{digits}g}'):,f}"
