"""Turns what the user names (a folder, a zip, a Kaggle data set) into a list of image files."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from benchmark.data.demo import DemoSpec, write_demo
from benchmark.processes.leftovers import unfinished
from benchmark.study.config import Config, DataConfig
from registry.errors import UserError
from registry.printable import printable

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
_SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_NOT_IMAGES = {".txt", ".csv", ".json", ".md", ".xml", ".html", ".py", ".ipynb", ".zip"}
KAGGLE = "kaggle:"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """One file that should be an image.

    Attributes:
        path: Where it lies.
        name: Path relative to the data set's folder, with ``/``.
        label: Name of its class.
        split: The split that its folder stands for; None if the data set has no such folders.
    """

    path: Path
    name: str
    label: str
    split: Split | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set's files before any is opened.

    Attributes:
        name: For people: the folder's, the archive's or Kaggle's name.
        files: Sorted by name.
    """

    name: str
    files: tuple[ImageFile, ...]


def open_source(config: Config, home: Path) -> Source:
    """Find the image files of ``config.data.source``.

    Args:
        config: The configuration.
        home: Folder for what is generated and unpacked.

    Raises:
        UserError: There is no such source or it holds no class folders; says what to type.
    """
    source = config.data.source
    if source == "demo":
        spec = DemoSpec(
            species=config.demo.species, images_per_species=config.demo.images_per_species
        )
        return demo_source(spec, config.data, home)
    if source.startswith(KAGGLE):
        folder, name = _download_kaggle(source.removeprefix(KAGGLE)), source
    elif Path(source).is_dir():
        folder, name = Path(source), _text(Path(Path(source).resolve().name))
    elif zipfile.is_zipfile(source):
        folder, name = _unpack(Path(source), home), _text(Path(Path(source).stem))
    else:
        raise UserError(
            f"there is no folder or zip {source!r}; write --data DIR, --data FILE.zip, "
            "--data kaggle:OWNER/NAME or leave --data out for demo images"
        )
    return Source(name=name, files=tuple(_select(find_images(folder), config.data)))


def demo_source(spec: DemoSpec, config: DataConfig, home: Path) -> Source:
    """Generate demo images, once, and list them."""
    range_ = f"{spec.first_species}-{spec.first_species + spec.species - 1}"
    folder = home / "demo" / f"species-{range_}-of-{spec.images_per_species}-seed-{spec.seed}"
    if not folder.exists():
        with unfinished(folder) as partial:
            write_demo(spec, partial)
    return Source(name="demo", files=tuple(_select(find_images(folder), config)))


def find_images(folder: Path) -> list[ImageFile]:
    """List the files of a class-per-folder tree, wherever below a folder it lies.

    If several folders could be the tree's root, the one with most files is. The tree may be
    divided into train, val and test folders; hidden files and plain documents are passed over,
    anything else is taken for an image until it fails to decode.

    Raises:
        UserError: There are fewer than two class folders.
    """
    trees = map(_files_of_classes, _folders_below(folder))
    with_classes = (files for files in trees if len({file.label for file in files}) > 1)
    files = max(with_classes, key=len, default=[])
    if not files:
        raise UserError(
            f"{folder} has no class folders; put each class's images into a folder of its own: "
            f"{folder}/CLASS/IMAGE.jpg, or train/CLASS, val/CLASS and test/CLASS"
        )
    return sorted(files, key=lambda file: file.name)


def _files_of_classes(root: Path) -> list[ImageFile]:
    parts: list[tuple[Split | None, Path]] = [*_split_folders(root)] or [(None, root)]
    return [
        ImageFile(
            path=path,
            name=_text(path.relative_to(root)),
            label=_text(Path(class_folder.name)),
            split=split,
        )
        for split, split_folder in parts
        for class_folder in _folders(split_folder)
        for path in _files(class_folder)
    ]


def _split_folders(folder: Path) -> list[tuple[Split, Path]]:
    """The folders of train, val and test; none if train or both of the others are missing.

    Without test, val is the part that the data set's authors held out: it becomes test.
    """
    found = [
        (_SPLIT_FOLDERS[child.name.lower()], child)
        for child in _folders(folder)
        if child.name.lower() in _SPLIT_FOLDERS and any(map(_has_files, _folders(child)))
    ]
    splits = {split for split, _ in found}
    if splits == {"train", "val"}:
        return [("test" if split == "val" else split, child) for split, child in found]
    return found if {"train", "test"} <= splits else []


def _folders_below(folder: Path) -> Iterator[Path]:
    """The folder and those below it; a link is yielded but not followed, since it may loop."""
    yield folder
    for child in _folders(folder):
        if child.is_symlink():
            yield child
        else:
            yield from _folders_below(child)


def _text(path: Path) -> str:
    """A relative path with ``/`` that can be written anywhere, though file names are any bytes."""
    return printable(os.fsencode(path.as_posix()).decode(errors="backslashreplace"))


def _folders(folder: Path) -> list[Path]:
    return sorted(
        child
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith((".", "__MACOSX"))
    )


def _files(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix.lower() not in _NOT_IMAGES
    )


def _has_files(folder: Path) -> bool:
    return next(_files(folder), None) is not None


def _select(files: list[ImageFile], config: DataConfig) -> Iterator[ImageFile]:
    """Keep evenly spaced classes and images, so that a small part stays varied and repeatable."""
    by_class: dict[str, list[ImageFile]] = {}
    for file in files:
        by_class.setdefault(file.label, []).append(file)
    for label in _evenly(sorted(by_class), config.classes):
        yield from _evenly(by_class[label], config.images_per_class)


def _evenly(items: list[T], count: int | None) -> list[T]:
    if count is None or count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]


def _download_kaggle(name: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            "--data kaggle:… needs the kaggle extra; type: uv sync --extra kaggle"
        ) from error
    try:
        return Path(kagglehub.dataset_download(name))
    except Exception as error:  # kagglehub raises errors of several libraries
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"Kaggle's data set {name!r} cannot be had ({reason}); check "
            "OWNER/NAME and the connection, or download its zip and write --data FILE.zip"
        ) from error


def _unpack(archive: Path, home: Path) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    folder = home / "unpacked" / digest
    if not folder.exists():
        try:
            with unfinished(folder) as partial, zipfile.ZipFile(archive) as file_in_zip:
                file_in_zip.extractall(partial)
        # An encrypted file is a RuntimeError, a rare compression a NotImplementedError.
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise UserError(
                f"{archive} cannot be unpacked ({error}); download it again, or unpack it yourself "
                "and write --data DIR"
            ) from error
    return folder
