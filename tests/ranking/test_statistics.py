"""Known answers, and benchmarks drawn at random whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmark.ranking import statistics
from benchmark.ranking.spread import RECIPE_SEEDS
from benchmark.ranking.statistics import (
    accuracy,
    images_needed,
    newcombe_interval,
    p_value,
    rank,
    smallest_difference,
    wilson_interval,
)

BENCHMARKS = 1000
IMAGES = 120
Array = NDArray[np.float64]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_newcombe(right: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, method 3."""
    assert wilson_interval(right / n, n) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson_interval(1 - right / n, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_the_difference_of_two_samples_has_newcombes_interval(
    first: tuple[int, int], second: tuple[int, int], interval: tuple[float, float]
) -> None:
    """Newcombe (1998), Interval estimation for the difference between independent proportions."""
    (a, m), (b, n) = first, second
    assert newcombe_interval(a / m, m, b / n, n) == pytest.approx(interval, abs=5e-5)


def draw(
    rng: np.random.Generator, means: list[float], seeds: int, groups: NDArray[np.int64]
) -> list[Array]:
    """Draw which images systems tell right: difficulty and each system's tastes go by group."""
    count = groups.max() + 1
    difficulty = rng.normal(0, 1, count)
    systems = []
    for mean in means:
        taste = difficulty + rng.normal(0, 0.7, count)
        luck = rng.normal(0, 0.25 if seeds >= RECIPE_SEEDS else 0, (seeds, 1))
        noise = rng.normal(0, 0.5, (seeds, count))
        systems.append((mean + luck + taste + noise > 0)[:, groups].astype(float))
    return systems


def truth(mean: float, seeds: int) -> float:
    luck = 0.25 if seeds >= RECIPE_SEEDS else 0
    return float(stats.norm.cdf(mean / np.sqrt(1 + 0.7**2 + 0.5**2 + luck**2)))


def copies(rng: np.random.Generator, some: bool) -> NDArray[np.int64]:
    """Groups of one to some images each, or each image by itself."""
    drawn = rng.integers(0, IMAGES * 2 // 3, IMAGES) if some else np.arange(IMAGES)
    return np.unique(drawn, return_inverse=True)[1]


@pytest.mark.parametrize("seeds", [1, 3, RECIPE_SEEDS])
@pytest.mark.parametrize("some", [False, True], ids=["single images", "groups of copies"])
def test_intervals_hold_the_truth_of_95_in_100_benchmarks(seeds: int, some: bool) -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(BENCHMARKS):
        groups = copies(rng, some)
        (correct,) = draw(rng, [1.0], seeds, groups)
        found = accuracy(correct, groups)
        held.append(found.low <= truth(1.0, seeds) <= found.high)
    assert 0.93 <= np.mean(held) <= 0.975


@pytest.mark.parametrize(
    ("seeds", "some"), [(1, False), (1, True), (3, False), (RECIPE_SEEDS, False)]
)
def test_equal_systems_are_called_tied(
    seeds: int, some: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In at most 5 of 100 tables of five equals is any told to be worse or better."""
    monkeypatch.setattr(statistics, "DRAWS", 1000)
    rng = np.random.default_rng(0)
    groups = copies(rng, some)
    wrong = []
    for _ in range(BENCHMARKS):
        first, *others = draw(rng, [1.0] * 5, seeds, groups)
        wrong.append(min(p_value(one, first, groups) for one in others) < 0.05 / len(others))
    assert np.mean(wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / BENCHMARKS)


def test_a_difference_is_found_as_often_as_is_said() -> None:
    rng = np.random.default_rng(0)
    groups = copies(rng, False)
    found = []
    for _ in range(BENCHMARKS // 4):
        one, other = draw(rng, [1.0, 0.0], 1, groups)
        least = smallest_difference({"one": one, "other": other}, groups, "one")
        found.append(least)
    shown = []
    gap = float(np.median(found))
    mean = next(m for m in np.arange(1, -1, -0.01) if truth(1, 1) - truth(m, 1) >= gap)
    for _ in range(BENCHMARKS // 4):
        one, other = draw(rng, [1.0, float(mean)], 1, groups)
        shown.append(p_value(one, other, groups) < 0.05)
    assert 0.68 <= np.mean(shown) <= 0.88  # McNemar's exact test is a little less keen than t


def test_mcnemar_is_that_of_the_binomial() -> None:
    one = np.array([[1.0] * 12 + [0.0] * 3 + [1.0] * 20])
    other = np.array([[0.0] * 12 + [1.0] * 3 + [1.0] * 20])
    groups = np.arange(35)
    assert p_value(one, other, groups) == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert p_value(one, one, groups) == 1


def test_signs_are_permuted_as_scipy_does() -> None:
    rng = np.random.default_rng(3)
    groups = copies(rng, True)
    one, other = draw(rng, [1.0, 0.8], 3, groups)
    sums = np.bincount(groups, weights=(one - other).mean(axis=0))
    theirs = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=20_000, rng=0
    )
    assert p_value(one, other, groups) == pytest.approx(theirs.pvalue, abs=0.015)


def test_no_difference_is_surer_than_the_draws_can_tell() -> None:
    """The signs are permuted 10,000 times: none beyond what was found is 1 in 10,001."""
    one, other = np.ones((2, 300)), np.zeros((2, 300))
    assert p_value(one, other, np.arange(300)) == pytest.approx(1 / 10_001)


def test_rows_are_corrected_by_holm_in_their_order() -> None:
    """By hand: the least of m p-values times m, the next times m - 1, none below one before."""
    rng = np.random.default_rng(5)
    groups = np.arange(200)
    drawn = draw(rng, [0.5, 0.1, 0.3, 0.4, 0.45], 1, groups)
    table = (
        rank({str(place): one for place, one in enumerate(drawn)}, groups, "0")
        .dropna(subset="p")
        .sort_values("p")
    )
    steps = [p * (len(table) - place) for place, p in enumerate(table["p"])]
    expected = np.minimum(np.maximum.accumulate(steps), 1)
    assert len({*expected}) > 1
    assert table["p_holm"].to_numpy() == pytest.approx(expected)


def test_copies_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, 40).astype(float)
    once = accuracy(right[None], np.arange(40))
    thrice = accuracy(np.repeat(right, 3)[None], np.repeat(np.arange(40), 3))
    assert thrice.images == 120
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_a_table_says_who_is_better_worse_and_tied() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(600)
    names = ["reference", "equal", "worse", "better", "copy"]
    drawn = draw(rng, [0.5, 0.5, -0.3, 1.5], 3, groups)
    systems = dict(zip(names, [*drawn, drawn[0]], strict=True))
    table = rank(systems, groups, "reference")
    rows = table.to_dict("index")
    assert list(table["verdict"]) == ["reference", "tied", "worse", "better", "tied"]
    assert (rows["better"]["rank_low"], rows["better"]["rank_high"]) == (1, 1)
    assert (rows["worse"]["rank_low"], rows["worse"]["rank_high"]) == (5, 5)
    same = rows["copy"]
    assert (same["p"], same["difference_low"], same["difference_high"]) == (1, 0, 0)
    assert (table["difference_low"] <= table["difference"]).all()
    assert (table["p_holm"].dropna() >= table["p"].dropna()).all()
    assert table["p"].isna().tolist() == [True, False, False, False, False]


def drawn_recipe(rng: np.random.Generator, mean: float) -> Array:
    """300 images, of which five seeds tell such a share right, more or less."""
    chances = mean + rng.normal(0, 0.06, (RECIPE_SEEDS, 1))
    return (rng.random((RECIPE_SEEDS, 300)) < chances).astype(float)


def test_the_interval_of_recipes_that_differ_by_seed_holds_the_truth() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(BENCHMARKS):
        found = accuracy(drawn_recipe(rng, 0.6), np.arange(300))
        held.append(found.low <= 0.6 <= found.high)
    assert 0.935 <= np.mean(held) <= 0.975


def test_the_interval_of_a_difference_between_recipes_agrees_with_its_p() -> None:
    """Resampling the five seeds would hold the truth of 89 in 100 such pairs only."""
    rng, sure = np.random.default_rng(0), []
    for gain in np.linspace(0, 0.2, 9):
        systems = {"a": drawn_recipe(rng, 0.6), "b": drawn_recipe(rng, 0.6 + gain)}
        row = rank(systems, np.arange(300), "a").loc["b"]
        sure.append(row["p"] < 0.05)
        assert sure[-1] != (row["difference_low"] <= 0 <= row["difference_high"])
    assert 2 < sum(sure) < 8


def test_seeds_of_one_side_alone_widen_no_interval_of_images() -> None:
    """Its p is of images, too: an interval with the spread of five seeds would hold 0."""
    rng = np.random.default_rng(0)
    five = (rng.random((RECIPE_SEEDS, 1000)) < [[0.5], [0.6], [0.7], [0.8], [0.9]]).astype(float)
    one = (rng.random((1, 1000)) < 0.62).astype(float)
    row = rank({"five": five, "one": one}, np.arange(1000), "five").loc["one"]
    assert row["verdict"] == "worse"
    assert row["difference_high"] < 0


def test_a_single_group_of_copies_tells_nothing() -> None:
    ones = np.ones((RECIPE_SEEDS, 3))
    assert p_value(ones, 0 * ones, np.zeros(3, int)) > 0.9
    assert accuracy(ones, np.zeros(3, int)).low < 0.3


def test_everything_right_leaves_room_for_doubt() -> None:
    found = accuracy(np.ones((RECIPE_SEEDS, 40)), np.arange(40))
    assert (found.high, found.error_images, found.error_seeds) == (1, 0, 0)
    assert found.low == pytest.approx(wilson_interval(1, 40)[0])


def test_a_difference_without_any_spread_is_told_by_the_images() -> None:
    ones, groups = np.ones((RECIPE_SEEDS, 40)), np.arange(40)
    assert p_value(ones, 0 * ones, groups) == p_value(ones[:3], 0 * ones[:3], groups) < 0.001


def test_rows_like_the_reference_say_nothing_of_what_can_be_shown() -> None:
    rng = np.random.default_rng(0)
    systems = {name: np.ones((1, 60)) for name in "abc"}
    systems["other"] = (rng.random((1, 60)) < 0.7).astype(float)
    groups = np.arange(60)
    alone = smallest_difference({name: systems[name] for name in ("a", "other")}, groups, "a")
    assert smallest_difference(systems, groups, "a") == alone > 0


def test_four_times_the_images_show_half_the_difference() -> None:
    assert images_needed(0.04, 283, 0.02) == 4 * 283
