"""Turns a disk that is too small into one line, before anything is written to it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from registry.errors import UserError
from registry.printable import rounded


def reserve(file: Path) -> None:
    """Give a file all the space that its length promises.

    A memory map of a file that has it only on paper ends the process without a word, once it is
    written to and the disk is full.

    Raises:
        UserError: There is not so much.
    """
    size = file.stat().st_size
    free = shutil.disk_usage(file.parent).free
    try:
        if hasattr(os, "posix_fallocate"):
            with file.open("rb+") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)
        elif free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"the decoded images take {rounded(size / 1e9)} GB in {file.parent.parent}, where "
            f"{rounded(free / 1e9)} GB are free; make room, or set BENCH_HOME to a folder elsewhere"
        ) from error
