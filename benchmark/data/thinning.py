"""Turns a data set's files into fewer, evenly spaced, so that a small part stays varied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from benchmark.data.layout import ImageFile
from benchmark.data.names import natural_key
from benchmark.data.splits import TEST_SHARE, Split
from benchmark.study.config import DataConfig

T = TypeVar("T")


def thin(files: Iterable[ImageFile], config: DataConfig) -> list[ImageFile]:
    """Keep so many classes and so many images of each, in the order given.

    Of a class that is divided, each part keeps its share, and as many as a division of our own
    would put into the test, if it has them: a small test is not thinned away.
    """
    by_class: dict[str, dict[Split | None, list[ImageFile]]] = {}
    for file in files:
        by_class.setdefault(file.label, {}).setdefault(file.split, []).append(file)
    kept: set[ImageFile] = set()
    for label in evenly(sorted(by_class, key=natural_key), config.classes):
        parts = by_class[label]
        counts = share_out({part: len(own) for part, own in parts.items()}, config.images_per_class)
        kept |= {file for part, own in parts.items() for file in evenly(own, counts[part])}
    return [file for file in files if file in kept]


def share_out(sizes: dict[Split | None, int], count: int | None) -> dict[Split | None, int]:
    """Share a number of images out among a class's parts, in proportion to their sizes."""
    total = sum(sizes.values())
    if count is None or count >= total:
        return sizes
    least = max(1, round(count * TEST_SHARE))
    counts = {part: min(size, least) for part, size in sizes.items()}
    for _ in range(count - sum(counts.values())):
        room = [part for part, size in sizes.items() if counts[part] < size]
        counts[max(room, key=lambda part: count * sizes[part] / total - counts[part])] += 1
    return counts


def evenly(items: Sequence[T], count: int | None) -> Sequence[T]:
    """Take so many, evenly spaced."""
    if count is None or count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]
