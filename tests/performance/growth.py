"""Time and memory of one run as the number of images grows 4 and 16 times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.performance.images import count, few_images
from tests.performance.measure import SPLITS, Comparison, Figures, Options, Side, call, compare
from tests.performance.store import bench, overrides

COPIES, SMALL_COPIES = (1, 4, 16), (1, 2)
MODEL = "basic_cnn"
"""It trains fast, so that loading shows."""
BATCH, EPOCHS = 16, 2


def run(options: Options) -> Iterator[Comparison]:
    """Measure whole commands: decoding, training, scoring and, on bench's side, tracking.

    Anonymous memory is what counts: the image store is a mapped file, whose pages the system takes
    back when it needs them.
    """
    for copies in SMALL_COPIES if options.small else COPIES:
        images = few_images(options, copies=copies)
        number = sum(count(images, split) for split in SPLITS)
        size = 32 if options.small else 128
        settings = {"data.image_size": size, "train.epochs": EPOCHS, "train.batch_size": BATCH}
        chosen = overrides(settings)

        def store_size(folder: Path) -> Figures:
            stored = (folder / ".bench").rglob("images.npy")
            return {"image_store_MiB": sum(path.stat().st_size for path in stored) / 2**20}

        plain = {"model": MODEL, "schedule": "scratch", "data": images, "image_size": size}
        sides = [
            bench(
                "bench",
                ["run", f"{MODEL}-scratch", "--data", images, "--no-explain", *chosen],
                figures=store_size,
            ),
            Side(
                name="plain",
                command=call("plain:one_network", **plain, epochs=EPOCHS, batch_size=BATCH),
                figures=lambda folder: {},
            ),
        ]
        yield compare(f"{number:,} images", sides, options.repeats)
