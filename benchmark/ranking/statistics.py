"""Turns which test images each classifier told right into what may be claimed of it.

The unit is a group of images that are copies of each other, drawn anew in every resampling; an
image without copies is a group of its own. Classifiers are compared on the same images, in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import tt_solve_power
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

LEVEL = 0.95
DRAWS = 10_000
RECIPE_SEEDS = 5
"""From so many seeds on, a claim is about the recipe; below, about the classifiers at hand."""
POWER = 0.8
_ALPHA = 1 - LEVEL
_ROUNDING = 1e-4
_CHUNK = 500
"""Draws of the bootstrap at once, to bound its memory."""

Correct = NDArray[np.float64]
"""(R, N): whether the classifier of each seed told each image right, 1 or 0."""
Groups = NDArray[np.int64]
"""(N,): the group of copies that each image belongs to."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A system's accuracy on the test split.

    Attributes:
        mean: Over images and seeds.
        low: Of its 95% interval.
        high: Of its 95% interval.
        error_images: Standard error from the groups of images, averaged over seeds.
        error_seeds: Standard error from the seeds; nan with one.
        seeds: How many.
        images: How many.
    """

    mean: float
    low: float
    high: float
    error_images: float
    error_seeds: float
    seeds: int
    images: int


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """95% score interval of a proportion (Wilson 1927), sound for small n and near 0 and 1.

    Args:
        share: Of successes, in [0, 1].
        n: How many were tried; an effective number need not be whole.

    Returns:
        Its lower and upper bound, in [0, 1].
    """
    low, high = proportion_confint(share * n, n, alpha=_ALPHA, method="wilson")
    return float(low), float(high)


def newcombe_interval(
    share: float, n: int, other: float, other_n: int, comparisons: int = 1
) -> tuple[float, float]:
    """95% interval of the difference of two independent proportions (Newcombe 1998, method 10).

    Args:
        share: Of successes in the first sample.
        n: Its size.
        other: Of successes in the second sample.
        other_n: Its size.
        comparisons: Of so many intervals, all hold the true difference with 95% (Bonferroni).

    Returns:
        Lower and upper bound of ``share - other``.
    """
    counts = (share * n, n, other * other_n, other_n)
    low, high = confint_proportions_2indep(
        *counts, method="newcomb", compare="diff", alpha=_ALPHA / comparisons
    )
    return float(low), float(high)


def accuracy(correct: Correct, groups: Groups) -> Accuracy:
    """Estimate a system's accuracy, with an interval.

    The interval is Wilson's at the effective number of images: that at which a simple sample would
    have the standard error found (Franco et al. 2019, doi:10.1093/jssam/smy019). With one seed and
    no copies it is Wilson's own. From `RECIPE_SEEDS` seeds on, it holds the spread of seeds, too.
    """
    seeds, images = correct.shape
    mean = float(correct.mean())
    error_images = _group_error(correct.mean(axis=0), groups)
    error_seeds = _seed_error(correct.mean(axis=1))
    error = float(np.hypot(error_images, error_seeds if seeds >= RECIPE_SEEDS else 0.0))
    if seeds == 1 and len(np.unique(groups)) == images:
        effective: float = images
    elif error == 0 or mean in (0, 1):
        effective = len(np.unique(groups))
    else:
        effective = mean * (1 - mean) / error**2
    low, high = wilson_interval(mean, effective)
    return Accuracy(
        mean=mean,
        low=low,
        high=high,
        error_images=error_images,
        error_seeds=error_seeds,
        seeds=seeds,
        images=images,
    )


def p_value(one: Correct, other: Correct, groups: Groups) -> float:
    """Test, in pairs, whether two systems are equally accurate; two-sided.

    One seed without copies: the exact test of McNemar (1947). With copies or several seeds: the
    signs of the groups' differences are permuted at random. From `RECIPE_SEEDS` seeds on, whether
    the recipes differ: t of the mean difference, whose error holds images and seeds, with the
    degrees of freedom of Satterthwaite (1946).

    Args:
        one: (R, N).
        other: (Q, N), of the same images.
        groups: (N,).
    """
    difference = one.mean(axis=0) - other.mean(axis=0)
    if not np.any(difference):
        return 1.0
    if min(len(one), len(other)) >= RECIPE_SEEDS:
        p = _recipe_p_value(one, other, groups)
        if not math.isnan(p):
            return p
    if len(one) == len(other) == 1 and len(np.unique(groups)) == len(groups):
        won, lost = int((difference > 0).sum()), int((difference < 0).sum())
        return float(stats.binomtest(won, won + lost).pvalue)
    sums = _group_sums(difference, groups)
    sums = sums[sums != 0]  # whichever sign these have changes nothing
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(0, DRAWS, _CHUNK):
        signs = rng.integers(0, 2, (_CHUNK, len(sums)), dtype=np.int8).astype(np.float32) * 2 - 1
        flipped = signs @ sums.astype(np.float32)
        beyond += int((np.abs(flipped) >= abs(sums.sum()) - _ROUNDING).sum())
    return float((beyond + 1) / (DRAWS + 1))  # Phipson and Smyth 2010: never zero


def rank(systems: Mapping[str, Correct], groups: Groups, reference: str) -> pd.DataFrame:
    """Compare systems with a reference that was not chosen on these images.

    Args:
        systems: The correct answers of each, all on the same images.
        groups: (N,).
        reference: Which of them the others are compared with.

    Returns:
        A row a system, in their order: the fields of `Accuracy`; ``difference`` to the reference
        with ``difference_low`` and ``difference_high`` (percentiles of 10,000 paired resamplings);
        ``p`` and ``p_holm``, corrected over the rows (Holm 1979), missing for the reference;
        ``verdict`` (reference, better, worse or tied); ``rank_low`` and ``rank_high``, the 95%
        interval of its rank, from the same resamplings.
    """
    names = list(systems)
    table = pd.DataFrame([vars(accuracy(systems[name], groups)) for name in names], index=names)
    place = names.index(reference)
    draws = _resample([systems[name] for name in names], groups)
    apart = draws - draws[:, [place]]
    tails = [100 * _ALPHA / 2, 100 * (1 - _ALPHA / 2)]
    table["difference"] = table["mean"] - table["mean"].iloc[place]
    table["difference_low"], table["difference_high"] = np.percentile(apart, tails, axis=0)
    others = [name for name in names if name != reference]
    p_values = [p_value(systems[name], systems[reference], groups) for name in others]
    table["p"] = pd.Series(dict(zip(others, p_values, strict=True)), dtype=float)
    table["p_holm"] = np.nan
    if others:
        table.loc[others, "p_holm"] = multipletests(p_values, alpha=_ALPHA, method="holm")[1]
    sure = table["p_holm"] < _ALPHA
    table["verdict"] = np.select(
        [table.index == reference, sure & (table["difference"] > 0), sure],
        ["reference", "better", "worse"],
        "tied",
    )
    ranks = stats.rankdata(-draws, axis=1, method="min")
    low, high = np.percentile(ranks, tails, axis=0, method="nearest")
    table["rank_low"], table["rank_high"] = low.astype(int), high.astype(int)
    return table


def smallest_difference(systems: Mapping[str, Correct], groups: Groups, reference: str) -> float:
    """The difference to the reference that this split shows in four of five times.

    Of the paired t test at 5%, without correction, for a row in the middle by its spread.

    Returns:
        A share of one; nan with less than two systems that differ.
    """
    against = systems[reference].mean(axis=0)
    spreads = [
        _group_error(one.mean(axis=0) - against, groups)
        for name, one in systems.items()
        if name != reference
    ]
    spreads = [spread for spread in spreads if spread > 0]
    if not spreads:
        return float("nan")
    spread = float(np.median(spreads))
    count = len(np.unique(groups))
    return _effect(count) * spread * math.sqrt(count)


@lru_cache
def _effect(count: int) -> float:
    """The difference, in standard deviations, that so many groups show."""
    return float(tt_solve_power(nobs=count, alpha=_ALPHA, power=POWER))


def images_needed(smallest: float, images: int, wanted: float) -> int:
    """How many test images show a difference, given what a number of them shows.

    Args:
        smallest: What `smallest_difference` found.
        images: On how many.
        wanted: The difference to be shown, a share of one.
    """
    return int(np.ceil(images * (smallest / wanted) ** 2))


def _recipe_p_value(one: Correct, other: Correct, groups: Groups) -> float:
    difference = one.mean(axis=0) - other.mean(axis=0)
    parts = [
        (_group_error(difference, groups) ** 2, len(np.unique(groups)) - 1),
        (_seed_error(one.mean(axis=1)) ** 2, len(one) - 1),
        (_seed_error(other.mean(axis=1)) ** 2, len(other) - 1),
    ]
    variance = sum(part for part, _ in parts)
    if variance == 0:  # all images and seeds say the same, as a handful may: t knows no spread
        return float("nan")
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(2 * stats.t.sf(abs(difference.mean()) / np.sqrt(variance), freedom))


def _group_sums(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """(N,) -> (G,) sums over the images of each group."""
    places = np.unique(groups, return_inverse=True)[1]
    return np.bincount(places, weights=values).astype(np.float64)


def _group_error(values: NDArray[np.float64], groups: Groups) -> float:
    """Standard error of the mean of (N,) values that vary by group."""
    sums = _group_sums(values - values.mean(), groups)
    count = len(sums)
    if count < 2:
        return float("nan")
    return float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values))


def _seed_error(means: NDArray[np.float64]) -> float:
    """Standard error of the mean of (R,) seeds' accuracies."""
    return float(stats.sem(means)) if len(means) > 1 else float("nan")


def _resample(systems: list[Correct], groups: Groups) -> NDArray[np.float64]:
    """(DRAWS, S) accuracies of the systems in paired resamplings of the groups.

    From `RECIPE_SEEDS` seeds on, a system's seeds are drawn anew, too.
    """
    rng = np.random.default_rng(0)
    sizes = _group_sums(np.ones(len(groups)), groups)
    count = len(sizes)
    by_seed = [np.stack([_group_sums(row, groups) for row in one], axis=1) for one in systems]
    drawn = np.empty((DRAWS, len(systems)))
    first = count * np.arange(_CHUNK)[:, None]
    for start in range(0, DRAWS, _CHUNK):
        # How often each group is drawn; a multinomial's numbers take four times as long to make.
        picked = first + rng.integers(0, count, (_CHUNK, count))
        times = np.bincount(picked.ravel(), minlength=_CHUNK * count).reshape(_CHUNK, count)
        times = times.astype(np.float32)
        images = times @ sizes.astype(np.float32)
        for place, sums in enumerate(by_seed):
            seeds = sums.shape[1]
            right = times @ sums.astype(np.float32)
            if seeds >= RECIPE_SEEDS:
                chances = np.full(seeds, 1 / seeds)
                weights = rng.multinomial(seeds, chances, size=_CHUNK) / seeds
                share = (right * weights).sum(axis=1)
            else:
                share = right.mean(axis=1)
            drawn[start : start + _CHUNK, place] = share / images
    return drawn
