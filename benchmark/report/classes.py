"""Turns predictions for the test split into what is hard in it: classes and pairs of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Two classes that a system takes for each other.

    Attributes:
        first: The class with more of its images taken for the other.
        second: The other.
        first_taken: Images of the first taken for the second.
        second_taken: Images of the second taken for the first.
        first_images: Test images of the first.
        second_images: Test images of the second.
    """

    first: str
    second: str
    first_taken: int
    second_taken: int
    first_images: int
    second_images: int


def confusions(predictions: pd.DataFrame, most: int) -> list[Confusion]:
    """List the pairs of classes that are taken for each other most often.

    Args:
        predictions: ``true`` and ``predicted`` of each test image.
        most: At most so many pairs.

    Returns:
        Those with the most images mistaken either way first.
    """
    images = predictions["true"].value_counts()
    taken = Counter(zip(predictions["true"], predictions["predicted"], strict=True))
    found = []
    for first, second in sorted({(min(pair), max(pair)) for pair in taken if pair[0] != pair[1]}):
        if taken[second, first] > taken[first, second]:
            first, second = second, first
        found.append(
            Confusion(
                first=first,
                second=second,
                first_taken=taken[first, second],
                second_taken=taken[second, first],
                first_images=int(images.get(first, 0)),
                second_images=int(images.get(second, 0)),
            )
        )
    return sorted(found, key=lambda one: -(one.first_taken + one.second_taken))[:most]


def class_scores(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count each class's images that each system got right.

    Args:
        predictions: By system: ``true`` and ``predicted`` of each test image; not empty.

    Returns:
        A row a class, the hardest for all systems together first: the index is its name, ``images``
        how many it has in the test split, then a column for each system.
    """
    tables = list(predictions.values())
    images = tables[0]["true"].value_counts().rename("images").sort_index()
    right = {
        system: (table["true"] == table["predicted"]).groupby(table["true"]).sum()
        for system, table in predictions.items()
    }
    scores = pd.DataFrame({"images": images, **right}).fillna(0).astype(int)
    ease = scores.drop(columns="images").sum(axis=1) / scores["images"]
    return scores.loc[ease.sort_values(kind="stable").index]
