"""Turns BENCH_HOME into the folder for decoded images and generated data."""

from __future__ import annotations

import os
from pathlib import Path

from registry.errors import UserError


def home(*, write: bool = True) -> Path:
    """BENCH_HOME, or .bench here.

    Args:
        write: Whether it has to be writable; else what is found may be left unkept.

    Raises:
        UserError: It is another user's ``~`` who is not there, the current folder is gone, or it
            has to be writable and is not, or is a file.
    """
    folder = Path(os.environ.get("BENCH_HOME") or ".bench")
    try:
        folder = folder.expanduser()
        place = folder.absolute()
    except RuntimeError as error:  # an mlflow.env is read by no shell, which would have said so
        raise UserError(f"BENCH_HOME={folder} is no user's folder; write the whole path") from error
    except FileNotFoundError as error:
        raise UserError("the folder that you are in is gone; type: cd DIR") from error
    if not write:
        return folder
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{folder} cannot be a folder: {place} is not one; set BENCH_HOME=DIR")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written in; set BENCH_HOME=DIR")
    return folder
