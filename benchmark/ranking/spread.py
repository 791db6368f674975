"""Turns which images each seed told right into standard errors and resamplings.

The unit is a group of images that are copies of each other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 10_000
RECIPE_SEEDS = 5
"""From so many seeds on, a claim is about the recipe; below, about the classifiers at hand."""
CHUNK = 500
"""Draws at once, to bound the memory that they take."""

Correct = NDArray[np.float64]
"""(R, N): whether the classifier of each seed told each image right, 1 or 0."""
Groups = NDArray[np.int64]
"""(N,): the group of copies that each image belongs to."""


def recipe_error(one: Correct, other: Correct, groups: Groups) -> tuple[float, float]:
    """Of the difference between two recipes: its standard error and degrees of freedom.

    The error is 0 with too few seeds or groups to tell, or if all of them say the same.
    """
    if min(len(one), len(other)) < RECIPE_SEEDS:
        return 0.0, math.inf
    difference = one.mean(axis=0) - other.mean(axis=0)
    return summed(
        (group_error(difference, groups), len(np.unique(groups)) - 1),
        (seed_error(one.mean(axis=1)), len(one) - 1),
        (seed_error(other.mean(axis=1)), len(other) - 1),
    )


def summed(*errors: tuple[float, int]) -> tuple[float, float]:
    """Independent standard errors with their degrees of freedom -> those of the sum."""
    variance = sum(error**2 for error, _ in errors)
    if not variance > 0:  # nan with a single group
        return 0.0, math.inf
    freedom = variance**2 / sum(error**4 / degrees for error, degrees in errors)
    return math.sqrt(variance), freedom


def group_sums(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """(N,) -> (G,) sums over the images of each group."""
    places = np.unique(groups, return_inverse=True)[1]
    return np.bincount(places, weights=values).astype(np.float64)


def group_error(values: NDArray[np.float64], groups: Groups) -> float:
    """Standard error of the mean of (N,) values that vary by group."""
    sums = group_sums(values - values.mean(), groups)
    count = len(sums)
    if count < 2:
        return float("nan")
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values))


def seed_error(means: NDArray[np.float64]) -> float:
    """Standard error of the mean of (R,) seeds' accuracies."""
    return float(stats.sem(means)) if len(means) > 1 else float("nan")


def resample(
    systems: list[Correct], groups: Groups
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(DRAWS, S) accuracies of the systems in paired resamplings of the groups, and with seeds.

    In the second, from `RECIPE_SEEDS` seeds on, a system's seeds are drawn anew, too.
    """
    rng = np.random.default_rng(0)
    sizes = group_sums(np.ones(len(groups)), groups)
    count = len(sizes)
    by_seed = [np.stack([group_sums(row, groups) for row in one], axis=1) for one in systems]
    drawn, with_seeds = np.empty((2, DRAWS, len(systems)))
    first = count * np.arange(CHUNK)[:, None]
    for start in range(0, DRAWS, CHUNK):
        # How often each group is drawn; a multinomial's numbers take four times as long to make.
        picked = first + rng.integers(0, count, (CHUNK, count))
        times = np.bincount(picked.ravel(), minlength=CHUNK * count).reshape(CHUNK, count)
        times = times.astype(np.float32)
        images = times @ sizes.astype(np.float32)
        for place, sums in enumerate(by_seed):
            seeds = sums.shape[1]
            right = times @ sums.astype(np.float32) / images[:, None]
            chunk = slice(start, start + CHUNK)
            drawn[chunk, place] = with_seeds[chunk, place] = right.mean(axis=1)
            if seeds >= RECIPE_SEEDS:
                # One fewer than there are, so that means vary as much as those of other seeds.
                chances = np.full(seeds, 1 / seeds)
                weights = rng.multinomial(seeds - 1, chances, size=CHUNK) / (seeds - 1)
                with_seeds[chunk, place] = (right * weights).sum(axis=1)
    return drawn, with_seeds
