"""Turns what the user names (a folder, a zip or its URL, Kaggle) into a list of image files."""

from __future__ import annotations

import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.data.archive import is_cut, other_archive, unpack
from benchmark.data.cache import cache_folder
from benchmark.data.demo import DemoSpec, write_demo
from benchmark.data.downloads import SCHEMES, download_zip
from benchmark.data.exclusion import leave_out
from benchmark.data.findings import Finding, LeftOut
from benchmark.data.folder import kind_of, list_folder
from benchmark.data.layout import ImageFile, read_layout
from benchmark.data.names import counted, title
from benchmark.data.thinning import thin
from benchmark.processes.leftovers import unfinished
from benchmark.study.config import Config, DataConfig
from registry.errors import UserError

KAGGLE = "kaggle:"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set's files before any is opened.

    Attributes:
        name: For people: the folder's, the archive's or Kaggle's name.
        files: By split, class and name, in natural order.
        left_out: Files that may be images and are not among them.
        findings: What is doubtful about the classes.
        min_images: Classes with fewer different images are left out; None to take all.
        near_copies: Whether near copies are kept together, or those of the same bytes alone.
    """

    name: str
    files: tuple[ImageFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    min_images: int | None = None
    near_copies: bool = True

    def without(self, classes: Mapping[str, str]) -> Source:
        """The same without some classes, each for a reason."""
        reasons = (
            Finding(kind="class left out", name=label, detail=reason)
            for label, reason in classes.items()
        )
        return replace(
            self,
            files=tuple(file for file in self.files if file.label not in classes),
            findings=(*self.findings, *reasons),
        )


def open_source(
    config: Config, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Source:
    """Find the image files of ``config.data.source``.

    Args:
        config: The configuration.
        home: Folder for what is generated and unpacked.
        progress: Called with (images done, images in all) while they are generated.

    Raises:
        UserError: There is no such source, or its classes cannot be told; says what to type.
    """
    source = config.data.source
    if source == "demo":
        spec = DemoSpec(**config.demo.model_dump())
        return demo_source(spec, config.data, home, progress)
    if source.startswith(KAGGLE):
        folder = _download_kaggle(source.removeprefix(KAGGLE))
        return folder_source(folder, config.data, name=source)
    path = download_zip(source, home) if source.startswith(SCHEMES) else Path(source)
    if _is_folder(path):
        name = title(path.resolve().name) or source
        return folder_source(path, config.data, name=_own_name(name))
    unpacked = unpack(path, home)
    name = _own_name(title(path.stem))
    inside = folder_source(
        unpacked.folder, config.data, name=name, shown=path, left_out=unpacked.left_out
    )
    return replace(inside, findings=(*unpacked.findings, *inside.findings))


def _own_name(name: str) -> str:
    """What the user's data are called: never as those that are drawn, which are made again."""
    return f"{name} (a folder)" if name == "demo" else name


def _is_folder(source: Path) -> bool:
    """Whether it is a folder, and no zip.

    Raises:
        UserError: It is neither.
    """
    try:
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode):
            return True
        if not stat.S_ISREG(mode):
            problem = f"{str(source)!r} is {kind_of(mode)}"
        elif zipfile.is_zipfile(source):
            return False
        elif other := other_archive(source):
            problem = f"{str(source)!r} is a {other} archive: unpack it"
        elif is_cut(source):
            problem = f"the zip {str(source)!r} is cut off or damaged: copy or download it again"
        else:
            problem = f"there is no folder or zip {str(source)!r}: it is another file"
    except (FileNotFoundError, NotADirectoryError, ValueError):  # of a null character
        problem = f"there is no folder or zip {str(source)!r}"
    except OSError as error:
        problem = f"{str(source)!r} cannot be read: {error.strerror}"
    raise UserError(
        f"{problem}; name images as DIR, FILE.zip, https://… or kaggle:OWNER/NAME, or leave that "
        "out for demo images"
    )


def folder_source(
    folder: Path,
    config: DataConfig | None = None,
    *,
    name: str | None = None,
    shown: Path | None = None,
    left_out: Sequence[LeftOut] = (),
) -> Source:
    """List the images of a folder's classes.

    Args:
        folder: The folder.
        config: Which classes and images to keep; None for all.
        name: For people; None for the folder's.
        shown: What to call it in errors, if not by its path.
        left_out: What is missing from the folder, and why.

    Raises:
        UserError: Its classes cannot be told.
    """
    config = config or DataConfig()
    listing = list_folder(folder)
    listing.left_out[:0] = left_out
    layout = read_layout(listing, shown or folder, config.classes_at)
    files, excluded = layout.files, list[LeftOut]()
    if config.exclude is not None:
        files, excluded = leave_out(files, Path(config.exclude))
    passed_over = listing.left_out + layout.left_out + excluded
    source = Source(
        name=folder.name if name is None else name,
        files=tuple(files),
        left_out=tuple(sorted(passed_over, key=lambda one: one.name)),
        findings=tuple(layout.findings),
        min_images=config.min_images,
        near_copies=config.near_copies,
    )
    counts = Counter(file.label for file in source.files)
    least = config.min_images or 0
    small = {label: counted(n, "image") for label, n in counts.items() if n < least}
    source = source.without(small)
    return replace(source, files=tuple(thin(source.files, config.classes)))


def demo_source(
    spec: DemoSpec,
    config: DataConfig,
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Source:
    """Generate demo images, once, and list them."""
    range_ = f"{spec.first_species}-{spec.first_species + spec.species - 1}"
    count = f"{spec.images_per_species}"
    if spec.test_images_per_species:
        count += f"+{spec.test_images_per_species}"
    folder = cache_folder(home, "demo") / f"species-{range_}-of-{count}-seed-{spec.seed}"
    if not folder.exists():
        with unfinished(folder) as partial:
            write_demo(spec, partial, progress)
    return folder_source(folder, config.model_copy(update={"classes_at": None}), name="demo")


def _download_kaggle(name: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            "--data kaggle:… needs the kaggle extra; type: uv sync --inexact --extra kaggle"
        ) from error
    try:
        return Path(kagglehub.dataset_download(name))
    except Exception as error:  # kagglehub raises errors of several libraries
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"Kaggle's data set {name!r} cannot be had ({reason}); check "
            "OWNER/NAME and the connection, or download its zip and name that"
        ) from error
