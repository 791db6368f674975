"""Turns a source into one that knows which of its images are copies of each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmark.data.cache import cache_folder, read_kept
from benchmark.data.copies import MOST, Pair, find_copies
from benchmark.data.findings import LeftOut
from benchmark.data.identity import fingerprint, identify
from benchmark.data.layout import ImageFile
from benchmark.data.looks import Look, look_at
from benchmark.data.sources import Source
from benchmark.data.splits import PRIORITY
from benchmark.processes.leftovers import unfinished

_TINY = 32
"""In smaller pictures too little is seen to tell a copy from what is merely alike."""
_SHARE = 5
"""Near copies are kept together up to this part of their class: frames of one film are alike."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A source whose files were looked at.

    Attributes:
        source: Its files have digests, and as groups those of the same bytes.
        looks: Of each file; None where it cannot be decoded.
        pairs: Near copies, by the files' places; the surest first.
    """

    source: Source
    looks: list[Look | None]
    pairs: list[Pair]


def examine(
    source: Source, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Examined:
    """Look at all files of a source and find the copies among them; once for the same files.

    Args:
        source: The files.
        home: Folder where it is kept.
        progress: Called with (images done, images in all) while they are decoded.
    """
    source = identify(source)
    folder = cache_folder(home, "data") / f"{fingerprint(source)}-looks"
    known = read_kept(folder, _read)
    if known is None:
        looks, thumbnails = look_at(source.files, progress)
        large = [look is not None and min(look.width, look.height) >= _TINY for look in looks]
        rows = np.flatnonzero(large) if len(looks) <= MOST else np.zeros(0, np.int64)
        labels = [source.files[row].label for row in rows]
        pairs = [pair.among(rows.tolist()) for pair in find_copies(thumbnails[rows], labels)]
        with unfinished(folder) as partial:
            partial.mkdir()
            told = {
                "looks": [look and asdict(look) for look in looks],
                "pairs": [asdict(pair) for pair in pairs],
            }
            (partial / "looks.json").write_text(json.dumps(told))
        known = _read(folder)
    return Examined(source=source, looks=known[0], pairs=known[1])


def _read(folder: Path) -> tuple[list[Look | None], list[Pair]]:
    stored = json.loads((folder / "looks.json").read_text())
    return (
        [look and Look(**look) for look in stored["looks"]],
        [Pair(**pair) for pair in stored["pairs"]],
    )


def group_copies(examined: Examined) -> Source:
    """Put copies into groups that no split divides.

    Where the data set brings its own parts, what would straddle them is left out: of a group in
    several parts, all but those of the test (or of val), and of the same image in two classes,
    those of val and test.

    Returns:
        The source whose files name their group, the least digest in it.
    """
    files = examined.source.files
    groups = _Groups(files)
    for pair in examined.pairs:
        groups.join(pair.first, pair.second)
    members = groups.members()
    named = list(files)
    reasons: dict[int, str] = {}
    for rows in members:
        own = [files[row] for row in rows]
        group = min(file.digest for file in own)
        out = _straddling(own)
        left = {own[place].split for place in out}
        for place, row in enumerate(rows):
            if place in out:
                reasons[row] = out[place]
            split = files[row].split
            shared = split in ("val", "test") and bool(left - {split})
            named[row] = replace(files[row], group=group, shared=shared)
    return replace(
        examined.source,
        files=tuple(file for row, file in enumerate(named) if row not in reasons),
        left_out=(
            *examined.source.left_out,
            *(LeftOut(name=files[row].name, reason=reason) for row, reason in reasons.items()),
        ),
    )


def _straddling(own: list[ImageFile]) -> dict[int, str]:
    """Which of a group's files cannot stay where the data set put them, and why."""
    labels = {file.label for file in own}
    if len(labels) > 1:
        other = {file.label: next(one for one in own if one.label != file.label) for file in own}
        return {
            place: f"the same picture is in another class: {other[file.label].name}"
            for place, file in enumerate(own)
            if file.split in ("val", "test")
        }
    best = max(own, key=lambda file: PRIORITY.index(file.split or ""))
    return {
        place: f"a copy of {best.name}, which is in {best.split}"
        for place, file in enumerate(own)
        if file.split != best.split
    }


class _Groups:
    """Joins files into groups, those of the same bytes first."""

    def __init__(self, files: tuple[ImageFile, ...]) -> None:
        self._files = files
        self._sizes = Counter(file.label for file in files)
        first: dict[str, int] = {}
        self._group = [first.setdefault(file.digest, row) for row, file in enumerate(files)]
        self._members: dict[int, list[int]] = {}
        for row, group in enumerate(self._group):
            self._members.setdefault(group, []).append(row)

    def join(self, one: int, other: int) -> None:
        """Join the groups of two files, unless too much of a class would be one."""
        kept, gone = sorted((self._group[one], self._group[other]))
        if kept == gone:
            return
        together = self._members[kept] + self._members[gone]
        if len(together) > max(2, min(self._largest(together))):
            return
        self._members[kept] = together
        for row in self._members.pop(gone):
            self._group[row] = kept

    def _largest(self, rows: Iterable[int]) -> list[int]:
        return [self._sizes[self._files[row].label] // _SHARE for row in rows]

    def members(self) -> list[list[int]]:
        """The rows of each group, ascending."""
        return [sorted(rows) for rows in self._members.values()]
