"""Turns a data set's files into those of fewer classes, evenly spaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from benchmark.data.layout import ImageFile
from benchmark.data.names import natural_key

T = TypeVar("T")


def thin(files: Iterable[ImageFile], classes: int | None) -> list[ImageFile]:
    """Keep the files of so many classes, in the order given; None for all."""
    files = list(files)
    known = sorted({file.label for file in files}, key=natural_key)
    kept = set(evenly(known, classes))
    return [file for file in files if file.label in kept]


def evenly(items: Sequence[T], count: int | None) -> Sequence[T]:
    """Take so many, evenly spaced."""
    if count is None or count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]
