"""Turns the folder of what is kept between commands into places for each kind of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from safetensors import SafetensorError

from benchmark.processes.leftovers import remove, unfinished
from registry.errors import UserError

Kind = Literal["data", "demo", "unpacked", "features", "checkpoints", "answers", "downloads"]
_KINDS: tuple[Kind, ...] = ("data", "demo", "unpacked", "answers", "downloads")
"""What a plan is made of."""
_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
"""Which programs agreed on for folders that can be made anew (bford.info/cachedir)."""
_PASSING = "passing"
"""Marks a home that is gone soon, and has no room for images."""
_DAMAGED = (
    *(ValueError, LookupError, TypeError, EOFError, RecursionError, SafetensorError),
    *(FileNotFoundError, IsADirectoryError, NotADirectoryError),
)
"""What files raise that a crash or a copy has left in part, or that another program wrote."""
_Content = TypeVar("_Content")
logger = logging.getLogger(__name__)


def cache_folder(home: Path, kind: Kind) -> Path:
    """Make the folder for what is kept of a kind, marked as a cache.

    Raises:
        UserError: A file lies there.
    """
    folder = home / kind
    tag = folder / _TAG
    if not tag.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UserError(f"{folder} is no folder; remove it, or set BENCH_HOME=DIR") from error
        except FileNotFoundError as error:  # such as below /proc
            raise UserError(f"{folder} cannot be made there; set BENCH_HOME=DIR") from error
        with unfinished(tag) as path:
            path.write_text(
                f"{_SIGNATURE}\n# By classifier-bench, which makes it anew if it is removed.\n"
            )
    return folder


def read_kept(place: Path, read: Callable[[Path], _Content]) -> _Content | None:
    """Read a file or folder of a cache; None if it is not there, or damaged, and removed."""
    if not place.exists():
        return None
    try:
        if not (place.is_file() or place.is_dir()):  # a pipe would wait, a device never end
            raise ValueError("neither a file nor a folder")
        return read(place)
    except _DAMAGED as error:
        logger.warning("%s is damaged (%s), and made anew", place, error)
        remove(place)
        return None


def is_cache(folder: Path) -> bool:
    """Whether a folder is marked as a cache, by us or by another program."""
    try:
        return (folder / _TAG).read_text()[: len(_SIGNATURE)] == _SIGNATURE
    except (OSError, UnicodeDecodeError):
        return False


def keeps_images(home: Path) -> bool:
    """Whether decoded images are to be written there."""
    return not (home / _PASSING).exists()


@contextmanager
def without_writing(home: Path) -> Iterator[Path]:
    """Another home with what plans are made of; what is written there is gone afterwards.

    Images are decoded to see which can be, and not kept.
    """
    with TemporaryDirectory() as folder:
        (Path(folder) / _PASSING).touch()
        for kind in _KINDS:
            place = cache_folder(Path(folder), kind)
            for kept in (home / kind).glob("*"):
                if kept.name != _TAG:
                    (place / kept.name).symlink_to(kept.absolute())
        yield Path(folder)
