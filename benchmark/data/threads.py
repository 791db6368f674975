"""Turns image files into what a function makes of each, in several threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from benchmark.data.layout import ImageFile

_Made = TypeVar("_Made")


@contextmanager
def in_threads(
    make: Callable[[ImageFile], _Made], files: Sequence[ImageFile], ahead: int
) -> Iterator[Iterator[_Made]]:
    """What is made of each file, in their order; at most so many are handed over ahead of time."""
    # Pillow warns of odd EXIF and ICC data, which do not concern the pixels, and decodes without
    # the GIL. Warning filters belong to the process, so no thread may set them.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        chunks = (files[first : first + ahead] for first in range(0, len(files), ahead))
        try:
            yield (made for some in chunks for made in pool.map(make, some))
        finally:
            pool.shutdown(cancel_futures=True)  # if interrupted, without the rest
