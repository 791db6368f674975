"""Turns a file into a journal that Optuna can go on with, if it is one, and touches no other."""

from __future__ import annotations

import os
from pathlib import Path

_BEGINNING = b'{"op_code":'
"""Of each line, as Optuna writes it."""
_LONGEST = 1 << 16
"""Bytes of a first line that tell what it is."""


def check_journal(path: Path, create: bool = True) -> None:
    """Make sure that a file is an Optuna journal, perhaps with an unfinished end.

    Args:
        path: The file.
        create: Whether it may be missing.

    Raises:
        ValueError: It is something else.
        FileNotFoundError: It is missing.
    """
    if not path.exists():
        if create:
            return
        raise FileNotFoundError("there is no such file")
    if not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        first = file.readline(_LONGEST)
    if not _is_begun(first):
        raise ValueError("it is no Optuna journal")


def mend_journal(path: Path) -> None:
    """Cut off a line that a killed process left unfinished: the next one would be glued to it.

    Raises:
        ValueError: It is no journal, or has an end that no journal has.
    """
    check_journal(path)
    if not path.exists():
        return
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 1))
        if file.read() in (b"", b"\n"):
            return
        file.seek(0)
        rest = file.read().rpartition(b"\n")[2]  # Optuna has read it all, too
    if not _is_begun(rest):
        raise ValueError("its end is no Optuna journal's")
    os.truncate(path, length - len(rest))


def _is_begun(line: bytes) -> bool:
    """Whether this is a journal's line, or the beginning of one; a power cut leaves zeros."""
    begun = line.rstrip(b"\0")
    return begun.startswith(_BEGINNING) or _BEGINNING.startswith(begun)
