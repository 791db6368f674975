"""Turns how often a system is to be run, or with which seeds, into seeds."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.study.config import MAX_SEED
from registry.errors import UserError

MOST = 1000
"""So many repeats, if a single number says how many."""


def read_seeds(given: str | int | Sequence[int]) -> tuple[int, ...]:
    """Read how many repeats, or their seeds.

    Args:
        given: ``5`` or 5 for the seeds 0 to 4; ``0,3,7`` or a sequence for those.

    Raises:
        UserError: They are none, or one is no seed or stands there twice.
    """
    if isinstance(given, int):
        given = str(given)
    texts = given.split(",") if isinstance(given, str) else [str(seed) for seed in given]
    texts = [text.strip() for text in texts]
    wanted = "write how many repeats, such as --seeds 5, or their seeds: --seeds 0,3,7"
    if not all(text.isascii() and text.isdecimal() for text in texts) or not texts:
        raise UserError(f"--seeds {','.join(texts)} is no list of seeds; {wanted}")
    seeds = [int(text) for text in texts]
    if isinstance(given, str) and len(seeds) == 1:
        if not 1 <= seeds[0] <= MOST:
            raise UserError(f"--seeds {seeds[0]} is no number of repeats up to {MOST}; {wanted}")
        return tuple(range(seeds[0]))
    if max(seeds) > MAX_SEED:
        raise UserError(f"--seeds: {max(seeds)} is above the highest seed, {MAX_SEED}")
    if len({*seeds}) < len(seeds):
        raise UserError(f"--seeds {','.join(texts)} names a seed twice; {wanted}")
    return tuple(seeds)


def name_seeds(seeds: Sequence[int]) -> str:
    """Name seeds: ``seed 0``, or ``seeds 0, 1``."""
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
