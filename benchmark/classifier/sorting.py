"""Turns judged pictures into a folder for each class, of links or copies: nothing is moved."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from benchmark.processes.leftovers import remove_unfinished, unfinished
from registry.errors import UserError

UNKNOWN = "unknown"
"""Folder of what resembles nothing trained on; a class of this name shares it."""


def check_place(place: Path, sources: Iterable[Path]) -> None:
    """Make sure that what is sorted does not come to lie among what it is sorted from.

    Raises:
        UserError: It would, and be read as pictures the next time.
    """
    into = place.resolve()
    for source in sources:
        own = source.resolve()
        if own.is_dir() and into.is_relative_to(own):
            raise UserError(f"{place} is in {source}, whose pictures are sorted; name another OUT")


def sort_into(
    place: Path, pictures: Iterable[tuple[Path, str]], *, copy: bool, temporary: Path
) -> Counter[str]:
    """Put a link to each picture, or a copy, into the folder of its class.

    Nothing is moved, and nothing that is there is replaced: a picture that is there already is left
    as it is, another of the same name gets a number.

    Args:
        place: Folder of the folders; it is made.
        pictures: Files and their folders.
        copy: Whether to copy them.
        temporary: What lies in this folder may go, and is copied in any case.

    Returns:
        How many were ``linked``, ``copied``, and ``there already``.

    Raises:
        UserError: Links cannot be made there.
    """
    done: Counter[str] = Counter()
    folders: set[Path] = set()
    for file, name in pictures:
        folder = place / folder_name(name)
        if folder not in folders:
            folder.mkdir(parents=True, exist_ok=True)
            remove_unfinished(folder)
            folders.add(folder)
        source = file.resolve()
        target = _free(folder, file, source)
        if target is None:
            done["there already"] += 1
        elif copy or source.is_relative_to(temporary.resolve()):
            with unfinished(target) as path:
                shutil.copy2(source, path)
            done["copied"] += 1
        else:
            try:
                target.symlink_to(source)
            except OSError as error:
                raise UserError(
                    f"no link can be made in {folder} ({error.strerror}); add --copy"
                ) from error
            done["linked"] += 1
    return done


def folder_name(name: str) -> str:
    """A class's name as that of one folder, in any file system."""
    plain = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "-", name).strip(" .")
    return plain or "-"


def _free(folder: Path, file: Path, source: Path) -> Path | None:
    """A name that is not taken yet; None if the picture is there already."""
    for number in count(1):
        name = file.name if number == 1 else f"{file.stem}-{number}{file.suffix}"
        target = folder / name
        if not os.path.lexists(target):
            return target
        if target.exists() and (target.resolve() == source or filecmp.cmp(target, source, False)):
            return None
    raise AssertionError
