"""Turns large pictures into a queue: together they take no more memory than the largest alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

MAX_PIXELS = 100_000_000
"""Larger images are taken for decompression bombs."""
LARGE_PIXELS = 16_000_000
"""Larger images have at most `MAX_PIXELS` together: so many take up to a gigabyte of memory."""
LARGE_BYTES = 32_000_000
"""Larger files are held in memory one at a time."""
_ONE_FILE = threading.RLock()


class _Room:
    """Lets in what fits, in the order of arrival: the largest is not passed by for ever."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._turn = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        with self._turn, self._freed:
            self._freed.wait_for(lambda: size <= self._free)
            self._free -= size
        try:
            yield
        finally:
            with self._freed:
                self._free += size
                self._freed.notify()


_PIXELS = _Room(MAX_PIXELS)


def large_file(size: int) -> AbstractContextManager[object]:
    """Wait until no other large file is held, if one of so many bytes is large.

    What is decoded of it goes into the block; see `large_picture`, which comes second.
    """
    return _ONE_FILE if size > LARGE_BYTES else nullcontext()


def large_picture(pixels: int) -> AbstractContextManager[object]:
    """Wait until there is room for so many pixels, at most `MAX_PIXELS`, if they are many."""
    return _PIXELS.hold(pixels) if pixels > LARGE_PIXELS else nullcontext()
