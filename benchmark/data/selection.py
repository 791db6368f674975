"""Turns a configuration into the images of a study: found, grouped by copies and limited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from benchmark.data.grouping import Examined, examine, group_copies
from benchmark.data.limits import limit_training
from benchmark.data.names import counted
from benchmark.data.sources import Source, open_source
from benchmark.data.splits import missing_parts, split_stratified
from benchmark.study.config import Config


def find_images(
    config: Config, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Examined:
    """Find the images of ``config.data``, and look at them.

    Args:
        config: The configuration.
        home: Folder for what is unpacked, generated and found out.
        progress: Called with (images done, images in all) while they are drawn, or read.

    Raises:
        UserError: There is no such source, or its classes cannot be told; says what to type.
    """
    return examine(open_source(config, home, progress), home, progress)


def select_images(config: Config, examined: Examined) -> Source:
    """Choose the images of a study among those that were found; copies share a part."""
    limit, seed = config.data.images_per_class, config.data.split_seed
    return limit_training(keep_classes(examined, seed), limit, seed, examined.undecodable)


def keep_classes(examined: Examined, seed: int) -> Source:
    """Group copies, and leave out the classes that are too small, if the source wants none such.

    Args:
        examined: All files that there are: what is left out later makes no class small.
        seed: Of the division into train, val and test.
    """
    source = group_copies(examined)
    # Without some, the others are divided anew.
    while small := _too_small(source, examined.undecodable, seed):
        source = source.without(small)
    return source


def _too_small(source: Source, undecodable: Collection[str], seed: int) -> dict[str, str]:
    """Classes that have fewer different images than wanted, or none in a part, and what of it."""
    if source.min_images is None:
        return {}
    files = [file for file in source.files if file.name not in undecodable]
    labels, groups = [file.label for file in files], [file.group for file in files]
    images = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    few = {
        label: counted(images[label], "different image")
        for label in dict.fromkeys(labels)
        if images[label] < source.min_images
    }
    splits = split_stratified(labels, groups, [file.split for file in files], seed)
    return few | missing_parts(labels, groups, splits)
