"""Turns what is unfinished into files under their own name, or into nothing, whatever happens.

A killed process cannot clean up after itself. All that it has not finished bears its name, so that
the next one sees that it is dead, and removes it.
"""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import socket
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from benchmark.processes.identity import ProcessName, this_process

UNFINISHED = ".partial"
_TEMPORARY = "bench-"


@contextmanager
def unfinished(target: Path, *, replaces: bool = False) -> Iterator[Path]:
    """A path beside a file or folder, which it becomes at the normal end of the block.

    Args:
        target: What is to be there, whole or not at all; its folder is made.
        replaces: Whether it takes the place of a file; else, if another process has finished the
            same by then, that one stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that nobody takes it for a picture, and short, whatever the length of its name.
    brief = zlib.crc32(os.fsencode(target.name))
    path = target.with_name(f".{brief:08x}~{this_process()}{UNFINISHED}")
    try:
        with naming(target):
            yield path
        if replaces:
            path.replace(target)
        else:
            _put(path, target)
    finally:
        remove(path)


@contextmanager
def rewriting(file: Path) -> Iterator[Path]:
    """A path for the content of a file that a user has named; until it is whole, the old stays.

    It keeps its owner and its rights. What is no plain file, such as a device or a pipe, is written
    as it is, and so is a file in a folder where no other can be made. What killed processes have
    left in the folder is removed.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.realpath(file))  # a link goes on to lead there
    is_device = file.is_relative_to("/dev") or file.is_relative_to("/proc")
    is_plain = file.is_file() and os.access(target.parent, os.W_OK)
    if is_device or (file.exists() and not is_plain):
        with naming(file):
            yield file
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(target.parent)
    with unfinished(target, replaces=True) as path:
        if is_plain:
            _make_like(path, target)
        yield path


def _make_like(path: Path, target: Path) -> None:
    """Make an empty file that belongs to whom another does, and that no others may read."""
    status = target.stat()
    path.touch(mode=0o600)
    with suppress(PermissionError):  # only root gives files away
        os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode))


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Let an error of a full disk name this file, unless it names the one that it could not write.

    Of a copy it names the source first, which lies on another disk.
    """
    try:
        yield
    except OSError as error:
        is_copy = error.filename2 is not None
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and (is_copy or error.filename is None):
            error.filename, error.filename2 = str(file), None
        raise


def _put(path: Path, target: Path) -> None:
    """Rename a path unless the target is there."""
    try:
        if path.is_dir():
            path.rename(target)
        else:
            target.hardlink_to(path)  # which, other than a rename, replaces nothing
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return
        if path.is_dir() or error.errno not in (errno.EPERM, errno.ENOTSUP):
            raise
        path.rename(target)  # a file system without hard links


def remove_unfinished(folder: Path) -> None:
    """Remove what dead processes of this machine have left unfinished in a folder."""
    for path in folder.glob(f"*{UNFINISHED}*"):  # a database has files beside it, of longer names
        name = ProcessName.read(path.name.partition(UNFINISHED)[0].rpartition("~")[2])
        if name is not None and name.is_dead:
            remove(path)


def _user() -> str:
    """The user's name, or number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@contextmanager
def temporary_folder() -> Iterator[None]:
    """Keep all temporary files of this process and its children in one folder during the block.

    Those of any library are meant: at the end of the block, or of a later one if this process is
    killed, the folder is removed.
    """
    usual = Path(tempfile.gettempdir())
    for place in {usual, Path("/tmp")}:
        _remove_dead(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{this_process()}-"))
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    # What torch has compiled outlives a process, in the usual folder unless told otherwise.
    compiled = usual / f"torchinductor_{_user()}"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    try:
        yield
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        remove(folder)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder for sockets, whose paths have 107 characters at most.

    At the end of the block, or of a later command if this process is killed, it is removed.
    """
    name = replace(this_process(), host=_digest_of_host())
    folder = Path(f"/tmp/{_TEMPORARY}{name}-")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        remove(folder)


def _digest_of_host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _remove_dead(folder: Path) -> None:
    for path in folder.glob(f"{_TEMPORARY}*"):
        name = ProcessName.read(path.name.removeprefix(_TEMPORARY).rpartition("-")[0])
        if name is not None and name.host == _digest_of_host():
            name = replace(name, host=socket.gethostname())
        if name is not None and name.is_dead:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, unless another process does, or it is another user's."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, PermissionError):
            path.unlink()
