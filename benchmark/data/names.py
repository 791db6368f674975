"""Turns names of files, folders and classes into one text, one order and one spelling."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath

from registry.printable import printable, shortened

TITLE_LENGTH = 80


def text(path: PurePath) -> str:
    """A relative path with ``/`` that can be written anywhere, though file names are any bytes.

    It is composed (NFC): macOS takes names apart, and the same class would be two.
    """
    plain = os.fsencode(path.as_posix()).decode(errors="backslashreplace")
    return printable(unicodedata.normalize("NFC", plain))


def title(name: str) -> str:
    """The name of a data set, short enough for headings and for every database."""
    return shortened(text(PurePath(name)), TITLE_LENGTH) if name else ""


def natural_key(name: str) -> tuple[list[tuple[str, int]], str]:
    """A key to sort by as people do: class 2 before class 10, and a before B."""
    parts = re.findall(r"(\D*)(\d*)", name.casefold())
    return [(words, int(digits or -1)) for words, digits in parts], name


def spelling(name: str) -> str:
    """What names have in common that differ only in case or in blanks."""
    return unicodedata.normalize("NFC", " ".join(name.split()).casefold())


def counted(number: int, noun: str) -> str:
    """``1 image``, ``2 images``, ``1,000 copies``, ``2 classes``."""
    ending = "es" if noun.endswith("s") else "s"
    many = f"{noun[:-1]}ies" if noun.endswith("py") else f"{noun}{ending}"
    return f"{number:,} {noun if number == 1 else many}"
