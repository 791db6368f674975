"""Turns a place that the user names for output into one that may be written, before the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from registry.errors import UserError

SOFTWARE = "classifier-bench"
"""What our own pictures and pages say they were made by."""
STANDARD_OUTPUT = Path("-")
"""How a command that can print what it writes is told to."""
_BEGINNING = 4096


def check_file(file: Path, option: str, is_ours: Callable[[bytes], bool]) -> None:
    """Make sure that a file can be written, and is no other program's.

    Args:
        file: The file; its folder may be missing.
        option: How it is named, such as ``--csv FILE``.
        is_ours: Tells a file of ours by its first `_BEGINNING` bytes; an empty one may be written
            in any case, and so may a device.

    Raises:
        UserError: It cannot be written, or is another program's.
    """
    if file.is_dir():
        raise UserError(f"{file} is a folder; write {option}")
    if file == STANDARD_OUTPUT:
        raise UserError(f"- is no name of a file; write {option}")
    check_folder(file.parent, option)
    if not file.is_file():
        return
    if not os.access(file, os.R_OK | os.W_OK):
        raise UserError(f"{file} cannot be written; name another: {option}")
    with file.open("rb") as opened:
        beginning = opened.read(_BEGINNING)
    if beginning and not is_ours(beginning):
        raise UserError(f"{file} is there and not by bench; move it, or name another: {option}")


def check_folder(folder: Path, option: str, files: Iterable[str] = ()) -> None:
    """Make sure that a folder is there or can be made, and that nothing in it is in the way.

    Args:
        folder: The folder.
        option: How it is named, such as ``--out DIR``.
        files: Names that must not be taken.

    Raises:
        UserError: It cannot be written in, or a name is taken.
    """
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{folder} cannot be a folder: {place} is not one; write {option}")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place} cannot be written in; write {option}")
    for name in files:
        if (folder / name).exists():
            raise UserError(
                f"{folder / name} is there and not by bench; move it, or name another: {option}"
            )


def is_table(beginning: bytes) -> bool:
    """Whether a file is a table of ours: its rows say what they may be compared with."""
    columns = {*beginning.partition(b"\n")[0].strip().split(b",")}
    return b"context" in columns and not columns.isdisjoint({b"system", b"head"})


def is_page(beginning: bytes) -> bool:
    """Whether a file is a report."""
    return f'<meta name="generator" content="{SOFTWARE}">'.encode() in beginning


def is_picture(beginning: bytes) -> bool:
    """Whether a PNG file was drawn by us."""
    return f"Software\0{SOFTWARE}".encode() in beginning
