"""Turns the files below a folder into classes, or an error that shows every way to read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from benchmark.data.findings import Finding, LeftOut
from benchmark.data.folder import Found, Listing
from benchmark.data.names import natural_key, spelling
from benchmark.data.parts import Place, make_tree, places, read_parts
from benchmark.data.splits import Split
from registry.errors import UserError
from registry.printable import listed

_SHOWN = 4
"""How many names an error lists."""


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """One file that should be an image.

    Attributes:
        path: Where it lies.
        name: Path relative to the data set's folder, with ``/``.
        label: Name of its class.
        split: The split that its folder stands for; None if the data set has no such folders.
        rest: The end of its name, below the folder of its class.
        digest: Hash of its bytes; empty until it is identified.
        group: The same for all copies of an image, near ones included; empty until it is known.
        shared: Whether a copy was left out of another of the data set's own parts.
    """

    path: Path
    name: str
    label: str
    split: Split | None
    rest: str
    digest: str = ""
    group: str = ""
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A folder as it was read.

    Attributes:
        files: By split, class and name, in natural order.
        left_out: Files that have no class.
        findings: What is doubtful about the classes.
    """

    files: list[ImageFile]
    left_out: list[LeftOut]
    findings: list[Finding]


@dataclass(frozen=True, kw_only=True)
class _ClassPlace:
    """A place in or below a class's folder, which lies so deep."""

    place: Place
    depth: int
    label: str

    @property
    def siblings(self) -> tuple[object, ...]:
        """What it shares with the classes beside it, and with no others."""
        above = [name for depth, name in self.place.levels if depth < self.depth]
        return (self.place.split, *above)


def read_layout(listing: Listing, folder: Path, classes_at: int | None = None) -> Layout:
    """Find out which folders are classes, and which are train, val and test.

    The folders of classes may lie in others; all images below such a folder are its class's.

    Args:
        listing: What is below the folder.
        folder: For messages.
        classes_at: Depth of the class folders: 1 are those in the folder itself; None to find it.

    Raises:
        UserError: There are fewer than two class folders, or several ways to read them.
    """
    tree = make_tree(listing)
    found = list(places(tree))
    level = None
    if classes_at is None:
        level = _class_level(found, folder, listing)
    elif any(_is_part(place, classes_at) for place in found):
        found = list(places(tree, divided=False))
    of_classes: list[_ClassPlace] = []
    left_out: list[LeftOut] = []
    for place in found:
        if class_place := _class_place(place, level, classes_at):
            of_classes.append(class_place)
            continue
        outside = place.outside
        reason = "beside the folders of train, val and test" if outside else "in no class folder"
        left_out += [LeftOut(name=_path(file), reason=reason) for file in place.folder.files]
    filled = [one for one in of_classes if one.place.folder.files]
    if len({one.label for one in filled}) < 2:
        raise UserError(f"{folder} has no classes at depth {classes_at}; {_levels(found)}")
    strange = _strange_parts(filled)
    left_out += [
        LeftOut(name=_path(file), reason="in no class that train has")
        for one in filled
        if one.place.split in strange
        for file in one.place.folder.files
    ]
    filled = [one for one in filled if one.place.split not in strange]
    names, findings = _spell(filled)
    parts, told = _name_parts({one.place.split for one in filled})
    files = _name_files(filled, names, parts)
    if twice := [name for name, n in Counter(file.name for file in files).items() if n > 1]:
        raise UserError(
            f"{folder} has two files called {twice[0]!r}: their names differ in what is not shown, "
            "such as whether an accent is a character of its own; rename one"
        )
    files.sort(key=lambda file: (file.split or "", natural_key(file.label), natural_key(file.rest)))
    return Layout(
        files=files,
        left_out=left_out,
        findings=[*_without_images(of_classes), *findings, *told],
    )


def _class_place(place: Place, level: int | None, classes_at: int | None) -> _ClassPlace | None:
    if place.outside:
        return None
    for position, (depth, label) in enumerate(place.levels):
        if level == position or classes_at == depth:
            return _ClassPlace(place=place, depth=depth, label=label)
    return None


def _is_part(place: Place, depth: int) -> bool:
    """Whether the folder at this depth is taken for one of train, val and test."""
    deep_enough = len(place.folder.names) >= depth and not place.outside
    return deep_enough and depth not in (own for own, _ in place.levels)


def _class_level(found: Iterable[Place], folder: Path, listing: Listing) -> int:
    """Find the one level of folders that can be the classes.

    Levels below are no other way to read it if each class's folder holds images itself.
    """
    filled = [place for place in found if place.folder.files and not place.outside]
    depth = max((len(place.levels) for place in filled), default=0)
    names = [{place.names[k] for place in filled if len(place.levels) > k} for k in range(depth)]
    first = next((k for k in range(depth) if len(names[k]) > 1), None)
    if first is None:
        raise UserError(_no_classes(folder, listing))
    levels = [first]
    for k in range(first + 1, depth):
        holding = {place.names for place in filled if len(place.levels) == k}
        if holding == {place.names[:k] for place in filled if len(place.levels) >= k}:
            break
        if len(names[k]) > 1:
            levels.append(k)
    if len(levels) > 1:
        ways = "; or ".join(_way(filled, k) for k in levels)
        raise UserError(
            f"{folder} can be read in {len(levels)} ways: {ways}. "
            "Add the one that you mean, or name a folder further down"
        )
    if read_parts(names[first]):
        raise UserError(
            f"{folder}: {_some(names[first])} hold no class folders; put each class's images into "
            f"a folder of its own, train/CLASS and test/CLASS, or add {_way(filled, first)}"
        )
    return first


def _way(filled: list[Place], level: int) -> str:
    """Say what the classes would be."""
    used = [place for place in filled if len(place.levels) > level]
    ((depth, _),) = Counter(place.levels[level][0] for place in used).most_common(1)
    labels = {place.names[level] for place in used}
    images = sum(len(place.folder.files) for place in used)
    out = sum(len(place.folder.files) for place in filled) - images
    left_out = f", {out:,} left out" if out else ""
    return f"--classes-at {depth} for the classes {_some(labels)} ({images:,} images{left_out})"


def _no_classes(folder: Path, listing: Listing) -> str:
    message = (
        f"{folder} has no class folders; put each class's images into a folder of its own: "
        f"{folder}/CLASS/IMAGE.jpg, or train/CLASS, val/CLASS and test/CLASS"
    )
    if listing.left_out:
        first = listing.left_out[0]
        message += f" ({len(listing.left_out)} left out: {first.name}: {first.reason}"
        message += ", …)" if len(listing.left_out) > 1 else ")"
    return message


def _levels(found: Iterable[Place]) -> str:
    """Say which folders lie how deep."""
    names: dict[int, set[str]] = {}
    for place in found:
        if place.folder.images and place.folder.names:
            names.setdefault(len(place.folder.names), set()).add(place.folder.names[-1])
    return "; ".join(f"at {depth} are {_some(own)}" for depth, own in sorted(names.items()))


def _some(names: Iterable[str]) -> str:
    return listed(sorted(names, key=natural_key), _SHOWN)


def _strange_parts(filled: list[_ClassPlace]) -> set[Split | None]:
    """The parts that share no class with train: images without labels, in a folder of their own."""
    train = {spelling(one.label) for one in filled if one.place.split == "train"}
    known = {one.place.split for one in filled if spelling(one.label) in train}
    held_out: set[Split | None] = {"val", "test"}
    return held_out - known if len(train) > 1 else set()


def _spell(filled: Iterable[_ClassPlace]) -> tuple[dict[str, str], list[Finding]]:
    """Give each class one name, though parts may write it in different ways: Cat and cat.

    Classes that lie side by side stay apart.

    Returns:
        The name of each label, and what a user should know of it.
    """
    written: dict[str, Counter[str]] = {}
    beside: dict[tuple[object, ...], set[str]] = {}
    for one in filled:
        counts = written.setdefault(spelling(one.label), Counter())
        counts[one.label] += len(one.place.folder.files)
        beside.setdefault(one.siblings, set()).add(one.label)
    names: dict[str, str] = {}
    findings: list[Finding] = []
    for _, counts in sorted(written.items(), key=lambda item: natural_key(item[0])):
        (most, _), *others = counts.most_common()
        apart = any(len(labels & set(counts)) > 1 for labels in beside.values())
        names |= {label: label if apart else most for label in counts}
        if others:
            taken = "taken for classes of their own" if apart else "taken for one class"
            also = f"also written {', '.join(repr(label) for label, _ in others)}: {taken}"
            findings.append(Finding(kind="class names alike", name=most, detail=also))
    return names, findings


def _name_parts(
    splits: set[Split | None],
) -> tuple[dict[Split | None, Split | None], list[Finding]]:
    """Say what stands for what; without test, val is what the authors held out: it is the test."""
    if "train" not in splits or splits <= {"train", None}:
        return dict.fromkeys(splits), []
    parts: dict[Split | None, Split | None] = {split: split for split in splits}
    if "test" in splits:
        return parts, []
    detail = "there is no test: it is taken for the test, and another val is taken out of train"
    return parts | {"val": "test"}, [Finding(kind="parts", name="val", detail=detail)]


def _name_files(
    filled: list[_ClassPlace], names: dict[str, str], parts: dict[Split | None, Split | None]
) -> list[ImageFile]:
    wrapped = _shared([one.place.folder.names[: one.depth - 1] for one in filled])
    return [
        ImageFile(
            path=file.path,
            name="/".join((*file.folders[wrapped:], file.file)),
            label=names[one.label],
            split=parts[one.place.split],
            rest="/".join((*file.folders[one.depth :], file.file)),
        )
        for one in filled
        for file in one.place.folder.files
    ]


def _shared(names: list[tuple[str, ...]]) -> int:
    """Count the first names that are the same in all."""
    levels = zip(*names, strict=False)
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))


def _without_images(of_classes: Iterable[_ClassPlace]) -> Iterator[Finding]:
    """Name the class folders that hold no image."""
    spelled: dict[str, str] = {}
    images: Counter[str] = Counter()
    for one in of_classes:
        if len(one.place.folder.names) == one.depth:
            images[spelling(one.label)] += one.place.folder.images
            spelled.setdefault(spelling(one.label), one.label)
    for key in sorted(spelled, key=natural_key):
        if not images[key]:
            yield Finding(
                kind="no images", name=spelled[key], detail="none was found in its folder"
            )


def _path(file: Found) -> str:
    return "/".join((*file.folders, file.file))
