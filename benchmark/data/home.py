"""Turns BENCH_HOME into the folder for decoded images and generated data."""

from __future__ import annotations

import os
from pathlib import Path

from registry.errors import UserError


def home() -> Path:
    """BENCH_HOME, or .bench here.

    Raises:
        UserError: It is a file, nothing can be written there, or the current folder is gone.
    """
    folder = Path(os.environ.get("BENCH_HOME") or ".bench")
    try:
        place = folder.absolute()
    except FileNotFoundError as error:
        raise UserError("the folder that you are in is gone; type: cd DIR") from error
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{folder} cannot be a folder, since {place} is none; set BENCH_HOME=DIR")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written in; set BENCH_HOME=DIR")
    return folder
