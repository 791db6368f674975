"""Turns a file that a library makes for its owner alone into one with the rights of other files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def usual_permissions(file: Path) -> Iterator[Path]:
    """Give a file that is written in the ``with`` block the permissions that the umask says.

    safetensors makes its files readable by their owner alone, so that nobody else could use what is
    in a store, or exported.
    """
    file.touch()
    mode = file.stat().st_mode
    yield file
    file.chmod(mode)
