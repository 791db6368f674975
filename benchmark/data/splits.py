"""Turns labels into a stratified division into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.names import counted

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
VAL_SHARE = 0.15
TEST_SHARE = 0.15


def split_stratified(
    labels: Sequence[str], digests: Sequence[str], given: Sequence[Split | None], seed: int
) -> NDArray[np.str_]:
    """Divide each class 70/15/15, at least one image to each part if there are three.

    Copies (the same digest) always share a part, across classes too, so that no test image is
    trained on. A division that the data set brings is kept; one without val gives 15/85 of its
    train to val.

    Args:
        labels: Class of each image.
        digests: Hash of each image's bytes.
        given: The part that each image's folder stands for, or None.
        seed: Of the shuffling.

    Returns:
        (N,) ``train``, ``val`` or ``test``; `missing_parts` names the classes that miss one.
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
    return np.array([parts[digest] for digest in digests])


def missing_parts(
    labels: Sequence[str], digests: Sequence[str], splits: NDArray[np.str_]
) -> dict[str, str]:
    """Say what the classes have that miss a part, such as ``2 different images, none for train``.

    Args:
        labels: Class of each image.
        digests: Hash of each image's bytes.
        splits: (N,) part of each image.
    """
    parts: dict[str, set[str]] = {}
    images: dict[str, set[str]] = {}
    for label, digest, split in zip(labels, digests, splits.tolist(), strict=True):
        parts.setdefault(label, set()).add(split)
        images.setdefault(label, set()).add(digest)
    return {
        label: f"{counted(len(images[label]), 'different image')}, none for {' and '.join(missing)}"
        for label, own in parts.items()
        if (missing := [split for split in SPLITS if split not in own])
    }


_PRIORITY = ("", "train", "val", "test")


def _parts(count: int, carve_val: bool) -> list[str]:
    """Name the parts of so many images of a class, to be dealt out in shuffled order."""
    if carve_val:
        val = max(1, round(count * VAL_SHARE / (1 - TEST_SHARE))) if count else 0
        return ["val"] * val + ["train"] * (count - val)
    val, test = max(1, round(count * VAL_SHARE)), max(1, round(count * TEST_SHARE))
    return (["test"] * test + ["val"] * val + ["train"] * (count - val - test))[:count]
