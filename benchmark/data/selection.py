"""Turns a configuration into the images of a study: found, grouped by copies and limited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.data.grouping import examine, group_copies
from benchmark.data.limits import limit_training
from benchmark.data.sources import Source, open_source
from benchmark.study.config import Config


def select_images(
    config: Config, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Source:
    """Find the images of ``config.data``, whose copies share a part.

    Args:
        config: The configuration.
        home: Folder for what is unpacked, generated and found out.
        progress: Called with (images done, images in all) while they are looked at.

    Raises:
        UserError: There is no such source, or its classes cannot be told; says what to type.
    """
    examined = examine(open_source(config, home), home, progress)
    undecodable = {name for name, look in examined.by_name.items() if look is None}
    source = group_copies(examined)
    limit, seed = config.data.images_per_class, config.data.split_seed
    return limit_training(source, limit, seed, undecodable)
