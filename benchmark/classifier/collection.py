"""Turns what a user names, files, folders, zips, globs and lists, into files of pictures."""

from __future__ import annotations

import codecs
import glob
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePath

from benchmark.data.archive import other_archive, unpack
from benchmark.data.decode import is_image
from benchmark.data.findings import LeftOut
from benchmark.data.folder import list_folder
from benchmark.data.names import natural_key, spelling, text
from registry.errors import UserError, one_line
from registry.printable import listed

STANDARD_INPUT = "-"
_WILD = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A file that should be a picture.

    Attributes:
        path: Where it lies.
        name: As the user knows it: a member of a zip by the zip's name.
        folders: Names of the folders that it lies in, from the outermost that was named.
    """

    path: Path
    name: str
    folders: tuple[str, ...]

    def label(self, spelled: Mapping[str, str]) -> str | None:
        """The class that the innermost folder of a class's name stands for, if there is one.

        Args:
            spelled: Classes by their `spelling`.
        """
        known = (spelled.get(spelling(folder)) for folder in reversed(self.folders))
        return next(filter(None, known), None)


@dataclass(kw_only=True)
class Pictures:
    """What was named.

    Attributes:
        files: Those that should be pictures, each once, in natural order within what was named.
        folders: Those that were looked through, with all below them.
        left_out: What is passed over though it may be a picture, and why.
    """

    files: list[PictureFile] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, place: str, home: Path, *, matched: bool = False) -> None:
        """Add a file, a folder with all below it, or a zip's content.

        Args:
            place: Its path.
            home: Folder for what is unpacked.
            matched: Whether a glob gave it: of these, zips are known by their names, since
                documents are zips, too.
        """
        path = Path(place)
        there = _exists(place)
        if there and path.is_dir():
            self._add_folder(path, text(path), path.resolve().name)
        elif not there or not path.is_file() or is_image(path):
            self.files.append(PictureFile(path=path, name=text(path), folders=path.parts[:-1]))
        elif (not matched or path.suffix.lower() == ".zip") and zipfile.is_zipfile(path):
            self._add_zip(path, home)
        else:
            self.left_out.append(LeftOut(name=text(path), reason=_why_none(path)))

    def _add_zip(self, path: Path, home: Path) -> None:
        try:
            unpacked = unpack(path, home)
        except UserError as error:
            reason = one_line(error).removeprefix(f"{path} ")
            self.left_out.append(LeftOut(name=text(path), reason=reason))
            return
        self.left_out += [
            LeftOut(name=f"{text(path)}/{one.name}", reason=one.reason) for one in unpacked.left_out
        ]
        self._add_folder(unpacked.folder, text(path), path.stem)

    def _add_folder(self, folder: Path, name: str, own: str) -> None:
        self.folders.append(folder)
        listing = list_folder(folder)
        names = {one.path: "/".join((*one.folders, one.file)) for one in listing.found}
        found = sorted(listing.found, key=lambda one: natural_key(names[one.path]))
        self.files += [
            PictureFile(
                path=one.path,
                name=f"{name}/{names[one.path]}",
                folders=(own, *one.folders),
            )
            for one in found
        ]
        self.left_out += [
            LeftOut(name=f"{name}/{one.name}", reason=one.reason) for one in listing.left_out
        ]


def _why_none(path: Path) -> str:
    """Why a plain file is no picture: one that cannot be read takes nothing from the others."""
    try:
        kind = other_archive(path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return f"a {kind} archive; unpack it" if kind else "not an image"


def collect(places: Sequence[str], home: Path, lines: Iterable[bytes] = ()) -> Pictures:
    """Find the pictures that paths, globs, and ``-`` for the names of a list stand for.

    Args:
        places: As typed.
        home: Folder for what is unpacked.
        lines: Of standard input, a name each, as bytes: names of files may be any.

    Raises:
        UserError: A path is not there, a glob matches nothing, or nothing at all is found.
    """
    pictures = Pictures()
    for place in places:
        if place == STANDARD_INPUT:
            for line in lines:
                if name := os.fsdecode(line.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")):
                    pictures.add(name, home)
            continue
        if "**" in (parts := PurePath(place).parts):
            pictures.folders.append(Path(*takewhile(_WILD.isdisjoint, parts)))
        if _exists(place):
            pictures.add(place, home)
        else:
            for name in _matching(place):
                pictures.add(name, home, matched=True)
    once: dict[Path, PictureFile] = {}
    for file in pictures.files:
        once.setdefault(file.path.absolute(), file)
    pictures.files = [*once.values()]
    if not pictures.files:
        raise UserError(_nothing(places, pictures.left_out))
    return pictures


def _matching(place: str) -> list[str]:
    if found := glob.glob(place, recursive=True):  # noqa: PTH207
        return sorted(found, key=natural_key)
    wild = not _WILD.isdisjoint(place)
    what = f"nothing matches {place!r}" if wild else f"there is no file or folder {place!r}"
    raise UserError(f"{what}; name pictures, folders or zips of them")


def _exists(place: str) -> bool:
    try:
        return (PurePath(place).name != "" and Path(place).exists()) or Path(place).is_dir()
    except (OSError, ValueError):  # ValueError: a null character
        return False


def _nothing(places: Sequence[str], left_out: Sequence[LeftOut]) -> str:
    example = f": {left_out[0].name}, {left_out[0].reason}" if left_out else ""
    return (
        f"there is no picture in {listed(places)}{example}; name pictures, folders or zips of them"
    )
