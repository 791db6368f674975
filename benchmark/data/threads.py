"""Turns images into what a function makes of each, in several threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

AHEAD = 4096
"""So many items are handed to the threads at once: each that waits takes memory."""
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@contextmanager
def in_threads(
    make: Callable[[_Item], _Made], items: Sequence[_Item], ahead: int = AHEAD
) -> Iterator[Iterator[_Made]]:
    """What is made of each item, in their order; at most so many are handed over ahead of time."""
    # Pillow warns of odd EXIF and ICC data, which do not concern the pixels, and decodes without
    # the GIL. Warning filters belong to the process, so no thread may set them.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        chunks = (items[first : first + ahead] for first in range(0, len(items), ahead))
        try:
            yield (made for some in chunks for made in pool.map(make, some))
        finally:
            pool.shutdown(cancel_futures=True)  # if interrupted, without the rest
