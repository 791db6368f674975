"""Training throughput of each network by image size, in images a second."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.performance.images import count, few_images
from tests.performance.measure import (
    Comparison,
    Figures,
    Options,
    Side,
    call,
    compare,
    read_result,
)
from tests.performance.settings import MODELS, QUICK, SMALL
from tests.performance.store import bench, overrides, read_store
from tests.performance.workers import best_workers, told

PER_CLASS = {64: 30, 128: 10, 240: 4}
"""Images of each class by image size: smaller for larger images, to end today."""
EPOCHS = 2
BATCH = 16


def run(options: Options) -> Iterator[Comparison]:
    """Measure the epochs after the first, with their validation, of `bench run` and of plain."""
    workers = best_workers(few_images(options), SMALL if options.small else QUICK)
    for size, per_class in PER_CLASS.items():
        images = few_images(options, per_class)
        for model in MODELS[:1] if options.small else MODELS:
            sides = training_sides(model, images, size, workers)
            found = compare(f"{model}, {size} px", sides, options.repeats)
            first = (size, model) == (next(iter(PER_CLASS)), MODELS[0])
            yield replace(found, notes=(told(workers),) if first else ())


def training_sides(model: str, images: Path, size: int, workers: int) -> list[Side]:
    """Bench, bench with compiled networks and the plain loop, from scratch."""
    settings = {"data.image_size": size, "train.epochs": EPOCHS, "train.batch_size": BATCH}
    chosen = overrides(settings)
    images_of_epoch = count(images, "train")
    plain = call(
        "plain:one_network",
        model=model,
        schedule="scratch",
        data=images,
        image_size=size,
        epochs=EPOCHS,
        batch_size=BATCH,
        workers=workers,
    )
    return [
        *(
            bench(
                name,
                ["run", f"{model}-scratch", "--data", images, "--no-explain", *chosen, *more],
                figures=throughput(read_store, images_of_epoch),
            )
            for name, more in {
                "bench": [],
                "bench, compiled": ["--set", "train.compile=true"],
            }.items()
        ),
        Side(name="plain", command=plain, figures=throughput(read_result, images_of_epoch)),
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
