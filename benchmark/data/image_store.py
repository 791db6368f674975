"""Turns image files into one array on disk, with an index of what is known of each image."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.decode import Shade, Undecodable, Unreadable, decode, reading
from benchmark.data.disk import reserve
from benchmark.data.findings import LeftOut
from benchmark.data.identity import gone
from benchmark.data.layout import ImageFile
from benchmark.data.splits import Split
from benchmark.data.threads import in_threads
from benchmark.processes.leftovers import unfinished
from registry.specs import STUDY_INPUT, InputSpec

AHEAD = 256
"""How many decoded images may wait in memory for a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of one image besides its pixels; see `ImageFile` and `Decoded`."""

    name: str
    label: str
    split: Split | None
    digest: str
    group: str
    shared: bool
    width: int
    height: int
    bits: int
    shade: Shade


def store_folder(home: Path, fingerprint: str, image_size: int, input_: InputSpec) -> Path:
    """The folder of the images at a size; what is not as in the study is in its name."""
    ways = (
        (input_.aspect, STUDY_INPUT.aspect),
        (input_.interpolation, STUDY_INPUT.interpolation),
        (input_.crop, STUDY_INPUT.crop),
    )
    parts = [f"{fingerprint}-{input_.size or image_size}px"]
    return home / "data" / "-".join(parts + [str(own) for own, study in ways if own != study])


def use_any_size(home: Path, fingerprint: str, store: Path) -> None:
    """Take for a store without images any other of the same files: the indices tell the same."""
    if store.exists():
        return
    for other in home.glob(f"data/{fingerprint}-*px*"):
        store.symlink_to(other.absolute())
        return


def decode_all(
    files: Sequence[ImageFile],
    input_: InputSpec,
    store: Path,
    progress: Callable[[int, int], None],
    *,
    keep: bool,
) -> None:
    """Write images.npy and index.json, which are there together or not at all.

    Args:
        files: What to decode, once it is identified.
        input_: How, and at which size.
        store: The folder that is to be.
        progress: Called with (images done, images in all).
        keep: Whether to write the images; else it is the index alone.

    Raises:
        UserError: A file cannot be read; nothing is written.
    """
    assert input_.size is not None
    # The rows of files that turn out undecodable stay unused, at the end.
    shape = (len(files), input_.size, input_.size, 3)
    with unfinished(store) as folder:
        folder.mkdir()
        images = None
        if files and keep:
            images = np.lib.format.open_memmap(
                folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape
            )
            reserve(folder / "images.npy")
        samples: list[Sample] = []
        left_out: list[LeftOut] = []
        with in_threads(partial(_decode_file, input_=input_), files, AHEAD) as results:
            for done, result in enumerate(results, start=1):
                if isinstance(result, LeftOut):
                    left_out.append(result)
                else:
                    sample, pixels = result
                    if images is not None:
                        images[len(samples)] = pixels
                    samples.append(sample)
                progress(done, len(files))
        if images is not None:
            images.flush()
        index = {
            "samples": [asdict(sample) for sample in samples],
            "left_out": [asdict(entry) for entry in left_out],
        }
        (folder / "index.json").write_text(json.dumps(index))


def read_store(folder: Path, *, keep: bool) -> tuple[list[Sample], list[LeftOut]]:
    """Read the index of a store whose images, unless none are kept, are whole.

    Raises:
        ValueError, LookupError, TypeError, EOFError, FileNotFoundError: It is damaged.
    """
    samples, left_out = read_index(folder)
    if keep and samples:
        np.load(folder / "images.npy", mmap_mode="r")
    return samples, left_out


def read_index(folder: Path) -> tuple[list[Sample], list[LeftOut]]:
    """Read what is known of each image, and which files could not be decoded."""
    index: dict[str, list[dict[str, Any]]] = json.loads((folder / "index.json").read_text())
    return (
        [Sample(**entry) for entry in index["samples"]],
        [LeftOut(**entry) for entry in index["left_out"]],
    )


def _decode_file(file: ImageFile, input_: InputSpec) -> tuple[Sample, NDArray[np.uint8]] | LeftOut:
    assert input_.size is not None
    try:
        with reading(file.path) as data:
            decoded = decode(data, input_.size, input_)
    except Unreadable as error:
        raise gone(file, error) from error
    except Undecodable as error:
        return LeftOut(name=file.name, reason=str(error))
    width, height = decoded.size
    sample = Sample(
        name=file.name,
        label=file.label,
        split=file.split,
        digest=file.digest,
        group=file.group,
        shared=file.shared,
        width=width,
        height=height,
        bits=decoded.bits,
        shade=decoded.shade,
    )
    return sample, decoded.pixels
