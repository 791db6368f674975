"""Turns a zip into a folder, once: all of it or nothing, and nothing outside the folder."""

from __future__ import annotations

import errno
import json
import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import NoReturn

from benchmark.data.archive_names import member_names
from benchmark.data.cache import cache_folder, read_kept
from benchmark.data.findings import Finding, LeftOut
from benchmark.data.folder import kind_of
from benchmark.data.names import text
from benchmark.processes.leftovers import unfinished
from registry.errors import UserError
from registry.weights import file_hash

MAX_RATIO = 100
"""A zip that grows more than this is taken for a bomb, if it is larger than `FREE_BYTES`."""
FREE_BYTES = 1_000_000_000
MAX_NESTED = 4
_LEAST_BYTES = 4096
"""What a file takes on disk at least, be it empty."""
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_VERSION = 2
"""Raise it when the same zip would give other files."""
_UNPACKED = "files"
_CONTENTS = "contents.json"
_OTHER_ARCHIVES = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
}


@dataclass(kw_only=True)
class Unpacked:
    """What was in a zip.

    Attributes:
        folder: Its files, as folders.
        left_out: What was not unpacked, and why.
        findings: What is doubtful about all of it.
    """

    folder: Path
    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def other_archive(path: Path) -> str | None:
    """Name the kind of an archive that is no zip; None for anything else."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in _OTHER_ARCHIVES.items() if start.startswith(magic)), None)


def is_cut(path: Path) -> bool:
    """Whether a file that `zipfile` takes for no zip begins like one."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def unpack(archive: Path, home: Path) -> Unpacked:
    """Unpack a zip into a folder of its content's name; later calls find that.

    Zips in the zip are unpacked into folders of their names.

    Args:
        archive: The zip.
        home: Folder for what is unpacked.

    Raises:
        UserError: It cannot be unpacked as a whole; then nothing of it is left.
    """
    folder = cache_folder(home, "unpacked") / f"{file_hash(archive)[:16]}-{_VERSION}"
    known = read_kept(folder, _read)
    if known is None:
        with unfinished(folder) as partial:
            partial.mkdir()
            _unpack_into(partial, archive)
        known = _read(folder)
    return known


def _read(folder: Path) -> Unpacked:
    contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
    return Unpacked(
        folder=folder / _UNPACKED,
        left_out=[LeftOut(**entry) for entry in contents["left_out"]],
        findings=[Finding(**entry) for entry in contents["findings"]],
    )


def _unpack_into(folder: Path, archive: Path) -> None:
    unpacked = Unpacked(folder=folder / _UNPACKED)
    unpacked.folder.mkdir()
    unpacking = _Unpacking(archive, unpacked)
    try:
        unpacking.unpack(archive, unpacked.folder)
    # Python raises many kinds on damaged zips: a rare compression is a NotImplementedError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        unpacking.fail(str(error) or type(error).__name__)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        unpacking.fail("the disk is full")
    contents = {
        "left_out": [asdict(entry) for entry in unpacked.left_out],
        "findings": [asdict(entry) for entry in unpacked.findings],
    }
    (folder / _CONTENTS).write_text(json.dumps(contents), encoding="utf-8")


class _Unpacking:
    """Unpacks a zip, and counts what it takes."""

    def __init__(self, archive: Path, unpacked: Unpacked) -> None:
        self._archive = archive
        self._unpacked = unpacked
        self._most = max(FREE_BYTES, MAX_RATIO * archive.stat().st_size)
        self._room = shutil.disk_usage(unpacked.folder).free
        self._bytes = 0

    def fail(self, reason: str) -> NoReturn:
        raise UserError(
            f"{self._archive} cannot be unpacked ({reason}); get it again, or unpack it yourself "
            "and name the folder"
        )

    def unpack(self, archive: Path, folder: Path, nested: int = 0) -> None:
        """Unpack a zip into a folder, then the zips in it."""
        zips: list[Path] = []
        with zipfile.ZipFile(archive) as zip_file:
            members = zip_file.infolist()
            if not members and not nested:
                self.fail("it is empty")
            self._count(sum(max(_LEAST_BYTES, member.file_size) for member in members))
            names, encoding = member_names(members)
            if encoding:
                self._unpacked.findings.append(
                    Finding(
                        kind="names in a zip",
                        name=text(PurePath(archive.name)),
                        detail=f"they do not tell their encoding; read as {encoding}",
                    )
                )
            for member, name in zip(members, names, strict=True):
                try:
                    target = self._write(zip_file, member, folder, name)
                except _Refused as reason:
                    self._leave_out(folder, name, str(reason))
                else:
                    if target.suffix.lower() == ".zip" and zipfile.is_zipfile(target):
                        zips.append(target)
        for inner in zips:
            into = inner.with_suffix("")
            if nested == MAX_NESTED:
                self._leave_out(
                    folder, inner.name, f"more than {MAX_NESTED} zips within each other"
                )
            elif into.exists():
                self._leave_out(folder, inner.name, "a zip beside a folder of its name")
            else:
                into.mkdir()
                self.unpack(inner, into, nested + 1)
            inner.unlink()

    def _count(self, more: int) -> None:
        """Count what is about to be written; no member gives more bytes than it declares."""
        self._bytes += more
        if self._bytes > self._most:
            self.fail(f"it would grow to more than {MAX_RATIO} times its size, as bombs do")
        if self._bytes > self._room:
            self.fail(f"it takes {self._bytes / 1e9:,.1f} GB, and {self._room / 1e9:,.1f} are free")

    def _write(
        self, zip_file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, name: str
    ) -> Path:
        """Write a member, and say where.

        Raises:
            _Refused: It is no plain file, or has no place of its own below the folder.
        """
        # A drive and a leading slash are passed over, as unzip does.
        plain = re.sub(r"^[A-Za-z]:", "", name.partition("\0")[0])
        parts = [part for part in PurePosixPath(plain).parts if not part.startswith("/")]
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.flag_bits & _ENCRYPTED:
            self.fail("it is encrypted")
        if ".." in parts:
            raise _Refused("its name leads out of the zip")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _Refused("a link" if kind == stat.S_IFLNK else kind_of(kind))
        target = folder.joinpath(*parts)
        try:
            if plain.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            written = target.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise _Refused("another file or folder has its name") from error
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise _Refused("its name is too long") from error
        with written, zip_file.open(member) as content:
            shutil.copyfileobj(content, written, _CHUNK)
        return target

    def _leave_out(self, folder: Path, name: str, reason: str) -> None:
        place = text(folder.relative_to(self._unpacked.folder) / name.lstrip("/"))
        self._unpacked.left_out.append(LeftOut(name=place, reason=reason))


class _Refused(Exception):
    """Why a member is not unpacked."""
