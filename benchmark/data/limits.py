"""Turns a source into one with fewer images to train on, and with all that choose and score."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from benchmark.data.identity import identify
from benchmark.data.layout import ImageFile
from benchmark.data.sources import Source
from benchmark.data.splits import split_stratified
from benchmark.data.thinning import evenly


def limit_training(
    source: Source, images_per_class: int | None, seed: int, undecodable: Collection[str] = ()
) -> Source:
    """Divide a source and keep so many training images of each class, evenly spaced by name.

    Scoring an image costs little, and few of them cannot tell systems apart: val and test stay
    whole.

    Args:
        source: The files; parts that they stand for are kept, and so are known groups.
        images_per_class: None for all, and then no division here.
        seed: Of the division.
        undecodable: Names of files that are no images: they are no part's, nor counted.
    """
    if images_per_class is None:
        return source
    source = identify(source)
    files = [file for file in source.files if file.name not in undecodable]
    parts = split_stratified(
        [file.label for file in files],
        [file.group for file in files],
        [file.split for file in files],
        seed,
    )
    divided = [replace(file, split=part) for file, part in zip(files, parts.tolist(), strict=True)]
    kept = {file.name: file for file in _kept(divided, images_per_class)}
    kept |= {file.name: file for file in source.files if file.name in undecodable}  # told later
    return replace(
        source, files=tuple(kept[file.name] for file in source.files if file.name in kept)
    )


def _kept(files: list[ImageFile], images_per_class: int) -> Iterator[ImageFile]:
    by_class: dict[str, list[ImageFile]] = {}
    for file in files:
        if file.split == "train":
            by_class.setdefault(file.label, []).append(file)
        else:
            yield file
    for own in by_class.values():
        yield from evenly(own, images_per_class)
