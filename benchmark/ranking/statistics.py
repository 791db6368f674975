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
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import tt_solve_power
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmark.ranking.spread import (
    CHUNK,
    DRAWS,
    RECIPE_SEEDS,
    Correct,
    Groups,
    group_error,
    group_sums,
    recipe_error,
    resample,
    seed_error,
    summed,
)

LEVEL = 0.95
POWER = 0.8
ALPHA = 1 - LEVEL
_ROUNDING = 1e-4


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
    low, high = proportion_confint(share * n, n, alpha=ALPHA, method="wilson")
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
        *counts, method="newcomb", compare="diff", alpha=ALPHA / comparisons
    )
    return float(low), float(high)


def accuracy(correct: Correct, groups: Groups) -> Accuracy:
    """Estimate a system's accuracy, with an interval.

    The interval is Wilson's at the effective number of images: that at which a simple sample would
    have the standard error found (Franco et al. 2019, doi:10.1093/jssam/smy019). With one seed and
    no copies it is Wilson's own. From `spread.RECIPE_SEEDS` seeds on, it holds the spread of seeds,
    too, and knows how few they are (Korn and Graubard 1998: t in place of the normal quantile).
    """
    seeds, images = correct.shape
    mean = float(correct.mean())
    error_images = group_error(correct.mean(axis=0), groups)
    error_seeds = seed_error(correct.mean(axis=1))
    count = len(np.unique(groups))
    error, freedom = error_images, math.inf
    if seeds >= RECIPE_SEEDS:
        error, freedom = summed((error_images, count - 1), (error_seeds, seeds - 1))
    if seeds == 1 and count == images:
        effective: float = images
    elif error == 0 or mean in (0, 1):
        effective = count
    else:
        few = stats.norm.isf(ALPHA / 2) / stats.t.isf(ALPHA / 2, freedom)
        effective = mean * (1 - mean) * (few / error) ** 2
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
    signs of the groups' differences are permuted at random. From `spread.RECIPE_SEEDS` seeds on,
    whether the recipes differ: t of the mean difference, whose error holds images and seeds, with
    the degrees of freedom of Satterthwaite (1946).

    Args:
        one: (R, N).
        other: (Q, N), of the same images.
        groups: (N,).
    """
    difference = one.mean(axis=0) - other.mean(axis=0)
    if not np.any(difference):
        return 1.0
    error, freedom = recipe_error(one, other, groups)
    if error > 0:
        return float(2 * stats.t.sf(abs(difference.mean()) / error, freedom))
    if len(one) == len(other) == 1 and len(np.unique(groups)) == len(groups):
        won, lost = int((difference > 0).sum()), int((difference < 0).sum())
        return float(stats.binomtest(won, won + lost).pvalue)
    sums = group_sums(difference, groups)
    sums = sums[sums != 0]  # whichever sign these have changes nothing
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(0, DRAWS, CHUNK):
        signs = rng.integers(0, 2, (CHUNK, len(sums)), dtype=np.int8).astype(np.float32) * 2 - 1
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
        with ``difference_low`` and ``difference_high`` (percentiles of 10,000 paired resamplings;
        between recipes those of the t test);
        ``p`` and ``p_holm``, corrected over the rows (Holm 1979), missing for the reference;
        ``verdict`` (reference, better, worse or tied); ``rank_low`` and ``rank_high``, the 95%
        interval of its rank, from such resamplings in which seeds are drawn anew, too.
    """
    names = list(systems)
    table = pd.DataFrame([vars(accuracy(systems[name], groups)) for name in names], index=names)
    place = names.index(reference)
    draws, with_seeds = resample([systems[name] for name in names], groups)
    apart = draws - draws[:, [place]]
    tails = [100 * ALPHA / 2, 100 * (1 - ALPHA / 2)]
    table["difference"] = table["mean"] - table["mean"].iloc[place]
    table["difference_low"], table["difference_high"] = np.percentile(apart, tails, axis=0)
    for name in names:
        error, freedom = recipe_error(systems[name], systems[reference], groups)
        if error > 0 and name != reference:
            reach = error * stats.t.isf(ALPHA / 2, freedom)
            middle = table.at[name, "difference"]
            table.loc[name, ["difference_low", "difference_high"]] = middle - reach, middle + reach
    others = [name for name in names if name != reference]
    p_values = [p_value(systems[name], systems[reference], groups) for name in others]
    table["p"] = pd.Series(dict(zip(others, p_values, strict=True)), dtype=float)
    table["p_holm"] = np.nan
    if others:
        table.loc[others, "p_holm"] = multipletests(p_values, alpha=ALPHA, method="holm")[1]
    sure = table["p_holm"] < ALPHA
    table["verdict"] = np.select(
        [table.index == reference, sure & (table["difference"] > 0), sure],
        ["reference", "better", "worse"],
        "tied",
    )
    ranks = stats.rankdata(-with_seeds, axis=1, method="min")
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
        group_error(one.mean(axis=0) - against, groups)
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
    return float(tt_solve_power(nobs=count, alpha=ALPHA, power=POWER))


def images_needed(smallest: float, images: int, wanted: float) -> int:
    """How many test images show a difference, given what a number of them shows.

    Args:
        smallest: What `smallest_difference` found.
        images: On how many.
        wanted: The difference to be shown, a share of one.
    """
    return int(np.ceil(images * (smallest / wanted) ** 2))
