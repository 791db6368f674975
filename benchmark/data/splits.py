"""Turns labels into a stratified division into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.names import counted

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PRIORITY = ("", "train", "val", "test")
"""Of the parts of copies that straddle a given division, the last is kept."""
VAL_SHARE = 0.15
TEST_SHARE = 0.15


def split_stratified(
    labels: Sequence[str], groups: Sequence[str], given: Sequence[Split | None], seed: int
) -> NDArray[np.str_]:
    """Divide each class 70/15/15, at least one image to each part if there are three.

    A group of copies always shares a part, so that no test image is trained on; one that lies in
    two classes is trained on, since nobody can say what would be right. A division that the data
    set brings is kept; one without val gives 15/85 of its train to val.

    Args:
        labels: Class of each image.
        groups: The same for all copies of an image.
        given: The part that each image's folder stands for, or None.
        seed: Of the shuffling.

    Returns:
        (N,) ``train``, ``val`` or ``test``; `missing_parts` names the classes that miss one.
    """
    parts: dict[str, str] = {}
    classes: dict[str, set[str]] = {}
    for label, group, split in zip(labels, groups, given, strict=True):
        classes.setdefault(group, set()).add(label)
        if split:
            # The test part wins: a copy of a test image in train would leak.
            parts[group] = max(parts.get(group, ""), split, key=PRIORITY.index)
    carve_val = any(given) and "val" not in parts.values()
    contested = {group for group, own in classes.items() if len(own) > 1}
    parts = dict.fromkeys(sorted(contested), "train") | parts
    rng = np.random.default_rng(seed)
    members = {label: set[str]() for label in sorted(set(labels))}
    for label, group in zip(labels, groups, strict=True):
        if group not in contested:
            members[label].add(group)
    for own in members.values():
        free = sorted(g for g in own if g not in parts or (carve_val and parts[g] == "train"))
        shuffled = [free[i] for i in rng.permutation(len(free))]
        parts.update(zip(shuffled, _parts(len(shuffled), carve_val), strict=True))
    return np.array([parts[group] for group in groups])


def missing_parts(
    labels: Sequence[str], groups: Sequence[str], splits: NDArray[np.str_]
) -> dict[str, str]:
    """Say what the classes have that miss a part, such as ``2 different images, none for train``.

    Args:
        labels: Class of each image.
        groups: The same for all copies of an image.
        splits: (N,) part of each image.
    """
    parts: dict[str, set[str]] = {}
    images: dict[str, set[str]] = {}
    for label, group, split in zip(labels, groups, splits.tolist(), strict=True):
        parts.setdefault(label, set()).add(split)
        images.setdefault(label, set()).add(group)
    return {
        label: f"{counted(len(images[label]), 'different image')}, none for {' and '.join(missing)}"
        for label, own in parts.items()
        if (missing := [split for split in SPLITS if split not in own])
    }


def _parts(count: int, carve_val: bool) -> list[str]:
    """Name the parts of so many images of a class, to be dealt out in shuffled order."""
    if carve_val:
        val = max(1, round(count * VAL_SHARE / (1 - TEST_SHARE))) if count else 0
        return ["val"] * val + ["train"] * (count - val)
    val, test = max(1, round(count * VAL_SHARE)), max(1, round(count * TEST_SHARE))
    return (["test"] * test + ["val"] * val + ["train"] * (count - val - test))[:count]
