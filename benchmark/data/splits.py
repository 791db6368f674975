"""Turns labels into a stratified division into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.data.sources import Split
from registry.errors import UserError

VAL_SHARE = 0.15
TEST_SHARE = 0.15


def split_stratified(
    labels: Sequence[str], digests: Sequence[str], given: Sequence[Split | None], seed: int
) -> NDArray[np.str_]:
    """Divide each class 70/15/15, at least one image to each part.

    Copies (the same digest) always share a part, across classes too, so that no test image is
    trained on. A division that the data set brings is kept; one without val gives 15/85 of its
    train to val.

    Args:
        labels: Class of each image.
        digests: Hash of each image's bytes.
        given: The part that each image's folder stands for, or None.
        seed: Of the shuffling.

    Returns:
        (N,) ``train``, ``val`` or ``test``.

    Raises:
        UserError: A class is too small to have an image in each part; names it.
    """
    parts: dict[str, str] = {}
    for digest, split in zip(digests, given, strict=True):
        if split:
            # The test part wins: a copy of a test image in train would leak.
            parts[digest] = max(parts.get(digest, ""), split, key=_PRIORITY.index)
    carve_val = any(given) and "val" not in parts.values()
    rng = np.random.default_rng(seed)
    members = {label: set[str]() for label in sorted(set(labels))}
    for label, digest in zip(labels, digests, strict=True):
        members[label].add(digest)
    for own in members.values():
        free = sorted(d for d in own if d not in parts or (carve_val and parts[d] == "train"))
        shuffled = [free[i] for i in rng.permutation(len(free))]
        parts.update(zip(shuffled, _parts(len(shuffled), carve_val), strict=True))
    for label, own in members.items():
        if missing := {"train", "val", "test"} - {parts[digest] for digest in own}:
            raise UserError(
                f"class {label!r} has {len(own)} different images, too few for a train, a val and "
                f"a test part (none for {', '.join(sorted(missing))}); add images or take the "
                "class out"
            )
    return np.array([parts[digest] for digest in digests])


_PRIORITY = ("", "train", "val", "test")


def _parts(count: int, carve_val: bool) -> list[str]:
    """Name the parts of so many images of a class, to be dealt out in shuffled order."""
    if carve_val:
        val = max(1, round(count * VAL_SHARE / (1 - TEST_SHARE))) if count else 0
        return ["val"] * val + ["train"] * (count - val)
    val, test = max(1, round(count * VAL_SHARE)), max(1, round(count * TEST_SHARE))
    return (["test"] * test + ["val"] * val + ["train"] * (count - val - test))[:count]
