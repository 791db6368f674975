"""Turns a source's files into one array of decoded images on disk, shared by all runs."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.decode import Undecodable, decode
from benchmark.data.framing import shown_size
from benchmark.data.sources import ImageFile, Source, Split
from benchmark.data.splits import split_stratified
from benchmark.processes.leftovers import unfinished
from benchmark.study.plan import DataSpec
from registry.errors import UserError
from registry.specs import STUDY_INPUT, InputSpec

STORE_VERSION = 1
"""Raise it when decoding changes: it is part of every fingerprint."""
AHEAD = 256
"""How many decoded images may wait in memory for a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of one image besides its pixels; see `ImageFile` and `Decoded`."""

    name: str
    label: str
    split: Split | None
    digest: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that is not used, and why."""

    name: str
    reason: str


class PreparedData:
    """Decoded images as a read-only memory map, with labels and splits."""

    def __init__(self, spec: DataSpec, home: Path, input_: InputSpec = STUDY_INPUT) -> None:
        """Open what `prepare` stored.

        Args:
            spec: Which data set and which division of it.
            home: Folder of the stores.
            input_: As which network is shown the images; labels and splits are the same for all.

        Raises:
            UserError: A class is too small to divide.
        """
        self.spec = spec
        self.input = input_
        folder = _store(home, spec.fingerprint, spec.image_size, input_)
        self.samples, self.left_out = _read_index(folder)
        # Copy-on-write, since torch refuses to wrap arrays that it may not write.
        stored = np.load(folder / "images.npy", mmap_mode="c")
        self.images: NDArray[np.uint8] = stored[: len(self.samples)]
        """(N, S, S, 3), RGB."""
        self.class_names = sorted({sample.label for sample in self.samples})
        self.splits = split_stratified(
            [sample.label for sample in self.samples],
            [sample.digest for sample in self.samples],
            [sample.split for sample in self.samples],
            spec.seed,
        )
        """(N,) ``train``, ``val`` or ``test``."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) index into `class_names`."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return np.array([index[sample.label] for sample in self.samples])

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Indices of the images of a split, ascending."""
        return np.flatnonzero(self.splits == split)

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

    Args:
        source: The files.
        image_size: Side in pixels, for networks that name none.
        seed: Of the division into train, val and test.
        home: Folder of the stores.
        progress: Called with (images done, images in all) while decoding.
        input_: What the network was made for.

    Raises:
        UserError: Fewer than two classes have images, or a class is too small to divide.
    """
    fingerprint = _fingerprint(source.files)
    folder = _store(home, fingerprint, image_size, input_)
    if not folder.exists():
        own = replace(input_, size=input_.size or image_size)
        _decode_all(source, own, folder, progress)
    samples, _ = _read_index(folder)
    classes = {sample.label for sample in samples}
    if len(classes) < 2:
        raise UserError(f"{source.name} has images of {len(classes)} class(es); two are needed")
    spec = DataSpec(
        name=source.name,
        fingerprint=fingerprint,
        image_size=image_size,
        num_classes=len(classes),
        num_images=len(samples),
        seed=seed,
    )
    return PreparedData(spec, home, input_)


def _store(home: Path, fingerprint: str, image_size: int, input_: InputSpec) -> Path:
    """The folder of the images at a size; what is not as in the study is in its name."""
    ways = (
        (input_.aspect, STUDY_INPUT.aspect),
        (input_.interpolation, STUDY_INPUT.interpolation),
        (input_.crop, STUDY_INPUT.crop),
    )
    parts = [f"{fingerprint}-{input_.size or image_size}px"]
    return home / "data" / "-".join(parts + [str(own) for own, study in ways if own != study])


def _fingerprint(files: Iterable[ImageFile]) -> str:
    whole = hashlib.sha256(f"version {STORE_VERSION}".encode())
    for file in files:
        whole.update(f"\0{file.label}\0{file.name}\0{_digest(file.path.read_bytes())}".encode())
    return whole.hexdigest()[:16]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _decode_all(
    source: Source, input_: InputSpec, store: Path, progress: Callable[[int, int], None]
) -> None:
    """Write images.npy and index.json, which are there together or not at all."""
    assert input_.size is not None
    shape = (len(source.files), input_.size, input_.size, 3)
    # The rows of files that turn out undecodable stay unused, at the end.
    with unfinished(store) as folder:
        folder.mkdir()
        images = np.lib.format.open_memmap(
            folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape
        )
        samples, left_out = _decode_into(images, source.files, input_, progress)
        images.flush()
        index = {
            "samples": [asdict(sample) for sample in samples],
            "left_out": [asdict(entry) for entry in left_out],
        }
        (folder / "index.json").write_text(json.dumps(index))


def _decode_into(
    images: NDArray[np.uint8],
    files: Sequence[ImageFile],
    input_: InputSpec,
    progress: Callable[[int, int], None],
) -> tuple[list[Sample], list[LeftOut]]:
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    # Pillow warns of odd EXIF and ICC data, which do not concern the pixels, and decodes without
    # the GIL. Warning filters belong to the process, so no thread may set them.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        results = (
            pool.map(lambda file: _decode_file(file, input_), files[first : first + AHEAD])
            for first in range(0, len(files), AHEAD)
        )
        try:
            for done, result in enumerate(chain.from_iterable(results), start=1):
                if isinstance(result, LeftOut):
                    left_out.append(result)
                else:
                    sample, pixels = result
                    images[len(samples)] = pixels
                    samples.append(sample)
                progress(done, len(files))
        finally:
            pool.shutdown(cancel_futures=True)  # if interrupted, without decoding the rest
    return samples, left_out


def _decode_file(file: ImageFile, input_: InputSpec) -> tuple[Sample, NDArray[np.uint8]] | LeftOut:
    data = file.path.read_bytes()
    assert input_.size is not None
    try:
        decoded = decode(data, input_.size, input_)
    except Undecodable as error:
        return LeftOut(name=file.name, reason=str(error))
    width, height = decoded.size
    sample = Sample(
        name=file.name,
        label=file.label,
        split=file.split,
        digest=_digest(data),
        width=width,
        height=height,
    )
    return sample, decoded.pixels


def _read_index(folder: Path) -> tuple[list[Sample], list[LeftOut]]:
    index: dict[str, list[dict[str, Any]]] = json.loads((folder / "index.json").read_text())
    return (
        [Sample(**entry) for entry in index["samples"]],
        [LeftOut(**entry) for entry in index["left_out"]],
    )
