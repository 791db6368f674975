"""Turns a folder into the files below it that should be images, and why others are passed over."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from benchmark.data.cache import is_cache
from benchmark.data.decode import SUFFIXES, is_image
from benchmark.data.findings import LeftOut
from benchmark.data.names import counted, text

MAX_DEPTH = 64
"""Folders that lie deeper are left out."""
_DOCUMENT = re.compile(
    r"\.(txt|[ct]sv|jsonl?|md|rst|xml|html?|css|js|py|ipynb|ya?ml|toml|env|pdf|docx?|xlsx?|db|sqlite"
    r"|ini|log|lnk|url|mat|np[yz]|pkl|parquet|h5|pth?|onnx|safetensors)"
)
_ARCHIVE = re.compile(r"\.(zip|tar|t?gz|bz2|xz|zst|7z|rar)")
_SYSTEMS = frozenset(
    ("@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found")
)
"""Folders of Windows, Linux and network disks: deleted files, and a NAS's own thumbnails."""
_JUNK = frozenset(("desktop.ini", "thumbs.db"))
_OF_MLFLOW = frozenset(("mlruns", "mlartifacts"))
_RUN_ID = re.compile(r"[0-9a-f]{32}")
EXPLORATION = ("class_distribution.png", "image_sizes.png", "classes.png", "classes.webp")
"""The pictures that ``bench data --out`` writes."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file that should be an image: where it lies, and the names on the way to it."""

    path: Path
    folders: tuple[str, ...]
    file: str


@dataclass(kw_only=True)
class Listing:
    """What is below a folder.

    Attributes:
        found: Files that should be images, by their ending or their content.
        folders: Every folder that was looked into, by the names on the way to it; without those
            that hold our own output.
        left_out: What is passed over though it may be an image.
    """

    found: list[Found] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def list_folder(folder: Path) -> Listing:
    """Look through a folder and all below it; links are followed, each folder is read once.

    Plain documents and what operating systems leave behind are passed over without a word.
    """
    return _Walk().run(folder)


class _Walk:
    def __init__(self) -> None:
        self._holders: set[tuple[str, ...]] = set()
        self._seen: set[tuple[int, int]] = set()
        self._folders: list[tuple[Path, tuple[str, ...]]] = []
        self._links: list[tuple[Path, tuple[str, ...]]] = []
        self._listing = Listing()

    def run(self, top: Path) -> Listing:
        self._folders.append((top, ()))
        while self._folders or self._links:
            # Real folders first: a link to one of them must not take its place.
            path, names = (self._folders or self._links).pop()
            self._look_into(path, names)
        listing = self._listing
        listing.folders = sorted(set(listing.folders) - self._holders)
        listing.left_out.sort(key=lambda entry: entry.name)
        return listing

    def _look_into(self, path: Path, names: tuple[str, ...]) -> None:
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in self._seen:
                return self._leave_out(names, "a link to a folder that is read already")
            self._seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._listing.folders.append(names)  # it may be a class
            return self._leave_out(names, f"a folder that cannot be read: {error.strerror}")
        self._listing.folders.append(names)
        ours = EXPLORATION if {child.name for child in children}.issuperset(EXPLORATION) else ()
        for child in children:
            if child.name in ours:
                self._leave_out((*names, child.name), "a picture of bench data")
                self._hold(names)
            else:
                self._take(child, (*names, text(PurePath(child.name))))
        return None

    def _take(self, entry: os.DirEntry[str], names: tuple[str, ...]) -> None:
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return self._leave_out(names, "a broken link")
            return self._leave_out(names, f"it cannot be read: {error.strerror}")
        path = Path(entry.path)
        if not stat.S_ISDIR(mode):
            return self._take_file(path, names, mode)
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            self._pass_over(path, names, "a hidden folder")
        elif entry.name.lower() in _SYSTEMS:
            self._pass_over(path, names, "a system's folder")
        elif entry.name in _OF_MLFLOW or _is_run(path) or is_cache(path):
            self._hold(names)
            self._pass_over(path, names, "written by bench or MLflow")
        elif len(names) > MAX_DEPTH:
            self._leave_out(names, f"more than {MAX_DEPTH} folders deep")
        else:
            (self._links if entry.is_symlink() else self._folders).append((path, names))
        return None

    def _take_file(self, path: Path, names: tuple[str, ...], mode: int) -> None:
        name, suffix = path.name.lower(), path.suffix.lower()
        if not stat.S_ISREG(mode):
            self._leave_out(names, kind_of(mode))
        elif name in _JUNK or name.startswith("._"):
            pass
        elif name.startswith("."):
            if suffix in SUFFIXES:
                self._leave_out(names, "a hidden file")
        elif suffix in SUFFIXES or is_image(path):
            self._listing.found.append(Found(path=path, folders=names[:-1], file=names[-1]))
        elif _ARCHIVE.fullmatch(suffix):
            self._leave_out(names, "an archive; unpack it")
        elif not _DOCUMENT.fullmatch(suffix):
            self._leave_out(names, "not an image")

    def _pass_over(self, path: Path, names: tuple[str, ...], why: str) -> None:
        if images := sum(1 for _ in _images_below(path)):
            self._leave_out(names, f"{why}, with {counted(images, 'image')}")

    def _hold(self, names: tuple[str, ...]) -> None:
        """Remember that these folders hold what is ours, so that no class is missed in them."""
        self._holders |= {names[:depth] for depth in range(1, len(names) + 1)}

    def _leave_out(self, names: tuple[str, ...], reason: str) -> None:
        self._listing.left_out.append(LeftOut(name="/".join(names) or ".", reason=reason))


def kind_of(mode: int) -> str:
    """Say what it is that is neither a folder nor a plain file."""
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _is_run(path: Path) -> bool:
    """Whether MLflow keeps a run's artifacts there."""
    return _RUN_ID.fullmatch(path.name) is not None and (path / "artifacts").is_dir()


def _images_below(folder: Path) -> Iterator[str]:
    for _, _, files in os.walk(folder):
        for file in files:
            if not file.startswith("._") and PurePath(file).suffix.lower() in SUFFIXES:
                yield file
