"""Turns a file into a journal that Optuna can go on with, if it is one, and touches no other."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import BinaryIO

_BEGINNING = b'{"op_code":'
"""Of each line, as Optuna writes it."""
_BLOCK = 1 << 16


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
        first, whole, _ = file.read(_BLOCK).partition(b"\n")
    if whole:
        try:
            entry = json.loads(first)
        except ValueError:
            entry = None
        ours = isinstance(entry, dict) and entry.keys() >= {"op_code", "worker_id"}
    else:
        ours = _is_unfinished(first)
    if not ours:
        raise ValueError("it is no Optuna journal")


def mend_journal(path: Path) -> None:
    """Cut off a line that a killed process left unfinished: the next one would be glued to it.

    Raises:
        ValueError: It is no journal, or has an end that no journal has.
    """
    check_journal(path)
    if not path.exists():
        return
    with path.open("rb+") as file:
        length = _finished_length(file)
        file.seek(length)
        if rest := file.read():
            if not _is_unfinished(rest):
                raise ValueError("its end is no Optuna journal's")
            file.truncate(length)


def _is_unfinished(line: bytes) -> bool:
    """Whether bytes begin as a journal's line does; a power cut leaves zeros."""
    line = line.rstrip(b"\0")
    return line.startswith(_BEGINNING) or _BEGINNING.startswith(line)


def _finished_length(file: BinaryIO) -> int:
    """Bytes up to the last line break, from behind: a journal can be long."""
    end = file.seek(0, io.SEEK_END)
    while end > 0:
        start = max(end - _BLOCK, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
