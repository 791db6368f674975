"""What mirrored and cropped images cost an epoch; fails if that is more than a tenth."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.performance.images import count, few_images
from tests.performance.measure import Comparison, Options, SideFailed, compare
from tests.performance.settings import MODELS, QUICK
from tests.performance.store import bench, overrides, read_store
from tests.performance.training import throughput

EPOCHS = 12
WORST = 0.9
"""The least ratio of the two that is no fault."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure the epochs after the first, with their validation, of networks from scratch."""
    images = few_images(options)
    size = 32 if options.small else QUICK["image_size"]
    chosen = overrides({"data.image_size": size, "train.epochs": EPOCHS, "train.batch_size": 16})
    figures = throughput(read_store, count(images, "train"))
    slow = []
    for model in MODELS[:1] if options.small else MODELS:
        command = ["run", f"{model}-scratch", "--data", str(images), "--no-explain", *chosen]
        augmented = overrides({"train.flip": "true", "train.crop": 0.5})
        sides = [
            bench("as they are", command, figures=figures),
            bench("augmented", [*command, *augmented], figures=figures),
        ]
        found = compare(f"{model}, {size} px", sides, options.repeats, baseline="as they are")
        yield found
        ratio = statistics.median(found.ratios("augmented"))
        slow += [f"{model} {ratio:.2f}"] if ratio < WORST else []
    if slow and not options.small:
        raise SideFailed(f"augmented epochs are only so fast beside others: {', '.join(slow)}")
