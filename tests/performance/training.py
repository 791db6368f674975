"""Training throughput of each network by image size, in images a second."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.performance.images import count, divided
from tests.performance.measure import (
    Comparison,
    Figures,
    Options,
    Side,
    call,
    compare,
    read_result,
)
from tests.performance.store import bench, overrides, read_store

MODELS = ("basic_cnn", "residual_cnn", "convmixer", "resnet18", "vit_b_16")
PER_CLASS = {64: 60, 128: 30, 240: 12}
"""Images of each class by image size: smaller for larger images, to end today."""
CLASSES = 10
EPOCHS = 3
BATCH = 16


def run(options: Options) -> Iterator[Comparison]:
    """Measure the epochs after the first, with their validation, of `bench run` and of plain."""
    for size, per_class in PER_CLASS.items():
        images = divided(options, *((2, 6) if options.small else (CLASSES, per_class)))
        for model in MODELS[:1] if options.small else MODELS:
            sides = training_sides(model, images, size)
            found = compare(f"{model}, {size} px", sides, options.repeats, baseline=None)
            yield found.against_fastest([side.name for side in sides[1:]])


def training_sides(model: str, images: Path, size: int) -> list[Side]:
    """Bench and the plain loop, from scratch, with and without processes that load images."""
    settings = {"data.image_size": size, "train.epochs": EPOCHS, "train.batch_size": BATCH}
    chosen = overrides(settings)
    images_of_epoch = count(images, "train")
    plain = partial(
        call,
        "plain:one_network",
        model=model,
        schedule="scratch",
        data=images,
        image_size=size,
        epochs=EPOCHS,
        batch_size=BATCH,
    )
    return [
        bench(
            "bench",
            ["run", f"{model}-scratch", "--data", images, "--no-explain", *chosen],
            figures=throughput(read_store, images_of_epoch),
        ),
        *(
            Side(
                name=f"plain, {workers} workers",
                command=plain(workers=workers),
                figures=throughput(read_result, images_of_epoch),
            )
            for workers in (0, 2)
        ),
    ]


def throughput(read: Callable[[Path], Figures], images: int) -> Callable[[Path], Figures]:
    """Turn the seconds of epochs into throughput; the first epoch warms up.

    Args:
        read: Reads a side's figures.
        images: Train images of an epoch.
    """

    def figures(folder: Path) -> Figures:
        epochs = statistics.median(read(folder)["epoch_seconds"][1:])
        return {"seconds": epochs, "images_per_second": images / epochs}

    return figures
