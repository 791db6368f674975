"""Turns what is doubtful about a data set into entries that a careful user would look at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that is not used.

    Attributes:
        name: The file's.
        reason: Why not.
        other: An image that is used, and shows the same as another class; empty if there is none.
    """

    name: str
    reason: str
    other: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a careful user would look at.

    Attributes:
        kind: Such as ``left out``, ``copy``, ``no images``.
        name: The file or the class.
        detail: The reason, or the file that it copies.
    """

    kind: str
    name: str
    detail: str
