"""Turns a source into one that knows which of its images are copies of each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmark.data.cache import cache_folder, read_kept
from benchmark.data.copies import CROPS_OF_ALL, MOST, Pair, find_copies
from benchmark.data.findings import Finding, LeftOut
from benchmark.data.identity import fingerprint, identify
from benchmark.data.layout import ImageFile
from benchmark.data.looks import TINY, Look, look_at
from benchmark.data.names import counted, natural_key
from benchmark.data.sources import Source
from benchmark.data.splits import PRIORITY
from benchmark.processes.leftovers import unfinished

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

    @property
    def by_name(self) -> dict[str, Look | None]:
        """The look of each file, by its name."""
        names = (file.name for file in self.source.files)
        return dict(zip(names, self.looks, strict=True))

    @property
    def undecodable(self) -> set[str]:
        """Names of files that are no images."""
        return {name for name, look in self.by_name.items() if look is None}


def examine(
    source: Source, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Examined:
    """Look at all files of a source and find the copies among them; once for the same files.

    Args:
        source: The files.
        home: Folder where it is kept.
        progress: Called with (images done, images in all) while they are read.

    Raises:
        UserError: A file cannot be read any more.
    """
    source = identify(source, progress)
    folder = cache_folder(home, "data") / f"{fingerprint(source)}-looks"
    known = read_kept(folder, _read)
    if known is None:
        compared = len(source.files) <= MOST
        looks, thumbnails = look_at(source.files, progress, thumbnails=compared)
        pairs: list[Pair] = []
        if compared:
            # Too little is seen of them to tell a copy from what is merely alike.
            tiny = [look is not None and look.is_tiny for look in looks]
            thumbnails[tiny] = 0  # of one colour: a copy of none
            pairs = find_copies(thumbnails, [file.label for file in source.files])
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
    those of val and test. If the source wants no near copies, those of the same bytes are.

    Returns:
        The source whose files name their group, the least digest in it.
    """
    files = examined.source.files
    groups = _Groups(files)
    findings: list[Finding] = []
    if examined.source.near_copies:
        alike = _alike_classes(files, examined.pairs)
        for pair in examined.pairs:
            labels = {files[pair.first].label, files[pair.second].label}
            if len(labels) == 1 or not labels & alike.keys():
                groups.join(pair.first, pair.second)
        findings = [*_alike(alike), *_not_looked_for(examined)]
    members = groups.members()
    named = list(files)
    gone: dict[int, LeftOut] = {}
    for rows in members:
        own = [files[row] for row in rows]
        group = min(file.digest for file in own)
        out = _straddling(own)
        left = {own[place].split for place in out}
        for place, row in enumerate(rows):
            if place in out:
                gone[row] = out[place]
            split = files[row].split
            shared = split in ("val", "test") and bool(left - {split})
            named[row] = replace(files[row], group=group, shared=shared)
    return replace(
        examined.source,
        files=tuple(file for row, file in enumerate(named) if row not in gone),
        findings=(*examined.source.findings, *findings),
        left_out=(*examined.source.left_out, *gone.values()),
    )


def _alike_classes(files: Sequence[ImageFile], pairs: Iterable[Pair]) -> dict[str, int]:
    """Classes of which too many images have near copies in others to be copies, and how many.

    Such classes look like each other: the one is the other in the mirror, or with a small defect.
    """
    rows = {
        row
        for pair in pairs
        if files[pair.first].label != files[pair.second].label
        and files[pair.first].digest != files[pair.second].digest
        for row in (pair.first, pair.second)
    }
    sizes = Counter(file.label for file in files)
    counts = Counter(files[row].label for row in rows)
    return {label: n for label, n in counts.items() if n > max(2, sizes[label] // _SHARE)}


def _alike(classes: dict[str, int]) -> Iterator[Finding]:
    for label in sorted(classes, key=natural_key):
        like = f"{counted(classes[label], 'image')} nearly as in other classes"
        yield Finding(
            kind="class like another", name=label, detail=f"{like}: not taken for copies of them"
        )


def _not_looked_for(examined: Examined) -> Iterator[Finding]:
    """Say which near copies are not looked for: among very many files, and of small pictures."""
    count = len(examined.looks)
    tiny = sum(look is not None and look.is_tiny for look in examined.looks)
    same = "those of the same bytes are found"
    if count > MOST:
        name = f"not looked for among more than {MOST:,} images"
        yield Finding(kind="near copies", name=name, detail=same)
    elif tiny:
        name = f"not looked for in {counted(tiny, 'image')} under {TINY} pixels"
        yield Finding(kind="near copies", name=name, detail=same)
    if CROPS_OF_ALL < count <= MOST:
        name = f"looked for within classes among more than {CROPS_OF_ALL:,} images"
        yield Finding(kind="cropped copies", name=name, detail="other copies are found across them")
        for label, n in Counter(file.label for file in examined.source.files).items():
            if n > CROPS_OF_ALL:
                detail = f"it has {counted(n, 'image')}; other copies are found"
                yield Finding(kind="cropped copies not looked for", name=label, detail=detail)


def _straddling(own: list[ImageFile]) -> dict[int, LeftOut]:
    """Which of a group's files cannot stay where the data set put them, by their places."""
    if len({file.label for file in own}) > 1:
        return {
            place: _of_other_class(file, own)
            for place, file in enumerate(own)
            if file.split in ("val", "test")
        }
    best = max(own, key=lambda file: PRIORITY.index(file.split or ""))
    reason = f"a copy of {best.name}, which is in {best.split}"
    return {
        place: LeftOut(name=file.name, reason=reason)
        for place, file in enumerate(own)
        if file.split != best.split
    }


def _of_other_class(file: ImageFile, own: list[ImageFile]) -> LeftOut:
    others = [one for one in own if one.label != file.label]
    kept = [one for one in others if one.split not in ("val", "test")]
    reason = f"the same picture is in another class: {(kept or others)[0].name}"
    return LeftOut(name=file.name, reason=reason, other=kept[0].name if kept else "")


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
