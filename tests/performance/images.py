"""Turns the images that are measured into folders train, val and test that every side reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.performance.measure import Figures, Options, Side, call, run_once

CLASSES, PER_CLASS = 10, 30
SMALL_CLASSES, SMALL_PER_CLASS = 3, 6


def few_images(
    options: Options, per_class: int = PER_CLASS, *, seed: int = 0, copies: int = 1
) -> Path:
    """Divide images of ten classes, or with ``--small`` a handful; see `divided`."""
    classes = CLASSES
    if options.small:
        classes, per_class = SMALL_CLASSES, SMALL_PER_CLASS
    return divided(options, classes, per_class, seed=seed, copies=copies)


def divided(
    options: Options,
    classes: int | None,
    per_class: int | None,
    *,
    seed: int = 0,
    copies: int = 1,
) -> Path:
    """Divide images as bench does, and write them, once.

    Args:
        options: Where images come from.
        classes: How many classes to take; None for all.
        per_class: How many images of each; None for all.
        seed: Of the division.
        copies: How often each image is written, each time with other bytes and the same pixels.

    Returns:
        A folder with ``train/CLASS``, ``val/CLASS`` and ``test/CLASS``.
    """
    folder = options.folder / f"images-{classes}x{per_class}-seed-{seed}-x{copies}"
    if not folder.exists():
        source = "demo" if options.data is None else str(options.data)
        arguments = {"source": source, "classes": classes, "per_class": per_class}
        command = call("images:write", folder=folder, seed=seed, copies=copies, **arguments)
        run_once(Side(name="images", command=command))
    return folder


def count(folder: Path, split: str) -> int:
    """How many images a split of a divided folder has."""
    return sum(1 for _ in (folder / split).glob("*/*"))


def write(
    folder: str,
    source: str,
    classes: int | None,
    per_class: int | None,
    seed: int,
    copies: int,
) -> Figures:
    """Write the folders that `divided` promises."""
    from benchmark.data.layout import ImageFile
    from benchmark.data.prepared import prepare
    from benchmark.data.sources import open_source
    from benchmark.data.thinning import evenly
    from benchmark.study.config import Config, DataConfig, DemoConfig

    config = Config(data=DataConfig(source=source, image_size=16, classes=classes))
    if classes is not None and per_class is not None:
        demo = DemoConfig(species=classes, images_per_species=per_class)
        config = config.model_copy(update={"demo": demo})
    home = Path("home")
    found = open_source(config, home)
    by_class: dict[str, list[ImageFile]] = {}
    for file in found.files:
        by_class.setdefault(file.label, []).append(file)
    files = [file for own in by_class.values() for file in evenly(own, per_class)]
    found = replace(found, files=tuple(files))
    data = prepare(found, image_size=16, seed=seed, home=home)
    paths = {file.name: file.path for file in found.files}
    for number, (sample, split) in enumerate(zip(data.samples, data.splits, strict=True)):
        place = Path(folder, split, sample.label)
        place.mkdir(parents=True, exist_ok=True)
        content = paths[sample.name].read_bytes()
        for copy in range(copies):
            # torchvision goes by the ending and Pillow by the content, which may follow it.
            (place / f"{number}-{copy}.jpg").write_bytes(content + bytes(copy))
    return {}
