"""Turns a source's files into decoded images with labels and splits, shared by all runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cache import cache_folder, keeps_images, read_kept
from benchmark.data.findings import Finding, LeftOut
from benchmark.data.framing import shown_size
from benchmark.data.identity import fingerprint, identify
from benchmark.data.image_store import (
    Sample,
    decode_all,
    read_index,
    read_store,
    store_folder,
    use_any_size,
)
from benchmark.data.layout import ImageFile
from benchmark.data.names import natural_key
from benchmark.data.sources import Source
from benchmark.data.splits import Split, missing_parts, split_stratified
from benchmark.study.plan import DataSpec
from registry.errors import UserError
from registry.printable import listed
from registry.specs import STUDY_INPUT, InputSpec


class PreparedData:
    """Decoded images as a read-only memory map, with labels and splits."""

    def __init__(self, spec: DataSpec, home: Path, input_: InputSpec = STUDY_INPUT) -> None:
        """Open what `prepare` stored.

        Args:
            spec: Which data set and which division of it.
            home: Folder of the stores.
            input_: As which network is shown the images; labels and splits are the same for all.
        """
        self.spec = spec
        self.input = input_
        self._folder = store_folder(home, spec.fingerprint, spec.image_size, input_)
        self.samples, self.left_out = read_index(self._folder)
        """What is known of each image, and which files could not be decoded."""
        self.findings: list[Finding] = []
        """What `prepare` found to be doubtful about the classes."""
        self.class_names = sorted({sample.label for sample in self.samples}, key=natural_key)
        self.splits = split_stratified(
            [sample.label for sample in self.samples],
            self.groups,
            [sample.split for sample in self.samples],
            spec.seed,
        )
        """(N,) ``train``, ``val`` or ``test``."""

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(N, S, S, 3), RGB."""
        # Copy-on-write, since torch refuses to wrap arrays that it may not write.
        stored: NDArray[np.uint8] = np.load(self._folder / "images.npy", mmap_mode="c")
        return stored[: len(self.samples)]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) index into `class_names`."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return np.array([index[sample.label] for sample in self.samples])

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Indices of the images of a split, ascending."""
        return np.flatnonzero(self.splits == split)

    @cached_property
    def groups(self) -> list[str]:
        """(N,) which images are copies of each other: those of one group."""
        return [sample.group for sample in self.samples]

    def too_small(self) -> dict[str, str]:
        """Classes that have no image in a part, and what they have."""
        labels = [sample.label for sample in self.samples]
        return missing_parts(labels, self.groups, self.splits)

    def shown_size(self, row: int, longest: int) -> tuple[int, int]:
        """Width and height at which an image is shown to people: in its true shape."""
        sample = self.samples[row]
        return shown_size((sample.width, sample.height), self.input, longest)


def prepare(
    source: Source,
    *,
    image_size: int,
    seed: int,
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    input_: InputSpec = STUDY_INPUT,
) -> PreparedData:
    """Decode a source's files once for each kind of input; later calls open the store.

    Its classes may be too small to divide: `check_classes` tells.

    Args:
        source: The files.
        image_size: Side in pixels, for networks that name none.
        seed: Of the division into train, val and test.
        home: Folder of the stores.
        progress: Called with (images done, images in all) while decoding.
        input_: What the network was made for.

    Raises:
        UserError: Nothing can be read, everything was left out, or a file is gone meanwhile.
    """
    if not source.files:
        raise _nothing_left(source)
    known = identify(source)
    content = fingerprint(known)
    folder = store_folder(home, content, image_size, input_)
    keep = keeps_images(home)
    if not keep:
        use_any_size(home, content, folder)
    stored = read_kept(folder, lambda place: read_store(place, keep=keep))
    if stored is None:
        own = replace(input_, size=input_.size or image_size)
        cache_folder(home, "data")
        decode_all(known.files, own, folder, progress, keep=keep)
        stored = read_index(folder)
    samples, undecodable = _named(known.files, *stored)
    left_out = [*known.left_out, *undecodable]
    if not samples:
        example = f": {left_out[0].name}, {left_out[0].reason}" if left_out else ""
        raise UserError(f"{source.name} has no image that can be read{example}")
    spec = DataSpec(
        name=source.name,
        fingerprint=content,
        image_size=image_size,
        num_classes=len({sample.label for sample in samples}),
        num_images=len(samples),
        seed=seed,
    )
    data = PreparedData(spec, home, input_)
    data.samples, data.left_out = samples, left_out
    data.findings = [*source.findings, *_lost_classes(source, data)]
    return data


def _named(
    files: Sequence[ImageFile], samples: Sequence[Sample], undecodable: Sequence[LeftOut]
) -> tuple[list[Sample], list[LeftOut]]:
    """Give what was stored the names that the files have now: a part may be called otherwise."""
    digests = {sample.digest for sample in samples}
    names = [file.name for file in files if file.digest in digests]
    others = [file.name for file in files if file.digest not in digests]
    return (
        [replace(one, name=name) for one, name in zip(samples, names, strict=True)],
        [replace(one, name=name) for one, name in zip(undecodable, others, strict=True)],
    )


def _nothing_left(source: Source) -> UserError:
    told = [f"{one.kind}: {one.name}, {one.detail}" for one in source.findings]
    told += [f"{one.name}: {one.reason}" for one in source.left_out]
    return UserError(f"nothing is left of {source.name}; {listed(told, separator='; ')}")


def _lost_classes(source: Source, data: PreparedData) -> list[Finding]:
    """Name the classes of which no file could be read."""
    lost = {file.label for file in source.files} - set(data.class_names)
    return [
        Finding(kind="no images", name=label, detail="nothing in its folder could be read")
        for label in sorted(lost, key=natural_key)
    ]
