"""Turns a folder's listing into places: the part of each folder, and what could name its class."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from benchmark.data.folder import Found, Listing
from benchmark.data.splits import Split

_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_FILLERS = "set|sets|data|dataset|image|images|img|imgs|picture|pictures|photos|split|folder"
_WORD = re.compile(rf"({'|'.join(_WORDS)})(?:{_FILLERS})?")


@dataclass(kw_only=True)
class Folder:
    """A folder with what is in it.

    Attributes:
        names: On the way to it.
        children: By name.
        files: Those that should be images.
    """

    names: tuple[str, ...]
    children: dict[str, Folder] = field(default_factory=dict)
    files: list[Found] = field(default_factory=list)
    images: int = 0
    """How many, those below it included."""

    def filled(self) -> dict[str, Folder]:
        """The children in or below which there are images."""
        return {name: child for name, child in self.children.items() if child.images}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder, seen as a place for images.

    Attributes:
        folder: The folder.
        split: The part that it belongs to, if it lies in a folder of train, val or test.
        levels: Of each folder on the way that could be a class: depth, from 1, and name.
        outside: Whether it lies beside the folders of train, val and test.
    """

    folder: Folder
    split: Split | None = None
    levels: tuple[tuple[int, str], ...] = ()
    outside: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the folders that could be a class."""
        return tuple(name for _, name in self.levels)


def make_tree(listing: Listing) -> Folder:
    """Put folders and files where they belong."""
    top = Folder(names=())

    def reach(names: tuple[str, ...]) -> list[Folder]:
        way = [top]
        for depth, name in enumerate(names, start=1):
            child = way[-1].children.setdefault(name, Folder(names=names[:depth]))
            way.append(child)
        return way

    for names in listing.folders:
        reach(names)
    for found in listing.found:
        way = reach(found.folders)
        way[-1].files.append(found)
        for folder in way:
            folder.images += 1
    return top


def places(folder: Folder, *, divided: bool = True) -> Iterator[Place]:
    """Give each folder its place.

    Args:
        folder: The whole tree.
        divided: Whether folders of train, val and test are taken for such.
    """
    return _places(Place(folder=folder), divided, {})


def _places(place: Place, divided: bool, parts: Mapping[str, Split]) -> Iterator[Place]:
    yield place
    folder = place.folder
    looking = divided and place.split is None and not place.outside
    if looking:
        parts = parts or _parts(folder)
    inner = _parts_in_classes(folder) if looking and not parts else {}
    for name, child in folder.children.items():
        if name in parts:
            below = Place(
                folder=_unwrapped(child, parts[name]), split=parts[name], levels=place.levels
            )
        else:
            below = Place(
                folder=child,
                split=place.split,
                levels=(*place.levels, (len(child.names), name)),
                outside=place.outside or bool(parts),
            )
        yield from _places(below, divided, inner)


def _parts(folder: Folder) -> dict[str, Split]:
    """The children that divide classes into train and val or test; none if they do not."""
    groups: dict[frozenset[str], dict[str, Split]] = {}
    for name in folder.filled():
        if meaning := _meaning(name):
            split, others = meaning
            groups.setdefault(others, {})[name] = split
    valid = [
        group
        for group in groups.values()
        if _divides(group.values())
        and any(
            split == "train" and _unwrapped(folder.children[name], split).filled()
            for name, split in group.items()
        )
    ]
    return max(
        valid, key=lambda group: sum(folder.children[name].images for name in group), default={}
    )


def _parts_in_classes(folder: Folder) -> dict[str, Split]:
    """What each class is divided into, if all are: CLASS/train and CLASS/test."""
    classes = folder.filled().values()
    if len(classes) < 2 or any(child.files or not child.filled() for child in classes):
        return {}
    return read_parts({name for child in classes for name in child.filled()})


def read_parts(names: Collection[str]) -> dict[str, Split]:
    """What each of some names stands for, if they are those of the parts of one data set."""
    meanings = {name: _meaning(name) for name in names}
    found = {name: meaning for name, meaning in meanings.items() if meaning}
    if len(found) < len(meanings) or len({others for _, others in found.values()}) > 1:
        return {}
    parts = {name: split for name, (split, _) in found.items()}
    return parts if _divides(parts.values()) else {}


def _divides(splits: Collection[Split]) -> bool:
    return "train" in splits and len(set(splits)) > 1


def _unwrapped(folder: Folder, split: Split) -> Folder:
    """Go down while a part holds nothing but a folder named like it: train/train/CLASS."""
    while not folder.files and len(folder.filled()) == 1:
        ((name, child),) = folder.filled().items()
        meaning = _meaning(name)
        if meaning is None or meaning[0] != split:
            break
        folder = child
    return folder


def _meaning(name: str) -> tuple[Split, frozenset[str]] | None:
    """The part that a folder's name stands for, and its other words: seg_train -> train, {seg}.

    Folders that divide the same data share their other words, which tells train_set and test_set
    from a train station and a test tube.
    """
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    matches = {word: match for word in words if (match := _WORD.fullmatch(word))}
    if len(matches) != 1:
        return None
    ((own, match),) = matches.items()
    others = {word for word in words if word != own and not re.fullmatch(_FILLERS, word)}
    return _WORDS[match[1]], frozenset(others)
