"""Splits: stratified, repeatable, and never with the same image on both sides."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.splits import Split, missing_parts, split_stratified

PARTS = ("train", "val", "test")
TRAIN: list[Split | None] = ["train"]
TEST: list[Split | None] = ["test"]


def divided(
    images: list[tuple[str, str]], *, given: list[Split | None] | None = None, seed: int = 0
) -> NDArray[np.str_]:
    """Divide (class, digest) pairs."""
    return split_stratified(
        [label for label, _ in images],
        [digest for _, digest in images],
        given or [None] * len(images),
        seed,
    )


def images(**counts: int) -> list[tuple[str, str]]:
    return [(label, f"{label}-{i}") for label, count in counts.items() for i in range(count)]


def by_class(pairs: list[tuple[str, str]], parts: NDArray[np.str_]) -> dict[str, tuple[int, ...]]:
    counts = Counter((label, part) for (label, _), part in zip(pairs, parts.tolist(), strict=True))
    return {
        label: tuple(counts[label, part] for part in PARTS)
        for label in sorted({label for label, _ in pairs})
    }


def test_each_class_is_divided_70_15_15() -> None:
    pairs = images(a=20, b=100, c=40)
    assert by_class(pairs, divided(pairs)) == {"a": (14, 3, 3), "b": (70, 15, 15), "c": (28, 6, 6)}


@pytest.mark.parametrize("count", range(3, 60))
def test_any_size_comes_near_70_15_15_with_no_part_empty(count: int) -> None:
    pairs = images(a=count, b=3)
    train, val, test = by_class(pairs, divided(pairs))["a"]
    assert train + val + test == count
    assert min(train, val, test) >= 1
    assert val == test
    assert abs(val - 0.15 * count) <= 0.55


def test_seed_decides() -> None:
    pairs = images(a=40, b=40)
    first = divided(pairs, seed=1)
    np.testing.assert_array_equal(first, divided(pairs, seed=1))
    assert (first != divided(pairs, seed=2)).sum() > 10


def test_parts_are_shuffled() -> None:
    pairs = images(a=100)
    rows = np.flatnonzero(divided(pairs) == "test")
    assert len(set(np.diff(rows).tolist())) > 3


def test_order_of_the_images_does_not_matter() -> None:
    pairs = images(a=30, b=30)
    order = np.random.default_rng(3).permutation(len(pairs))
    shuffled = divided([pairs[i] for i in order])
    np.testing.assert_array_equal(shuffled, divided(pairs)[order])


@pytest.mark.parametrize("seed", range(5))
def test_copies_share_a_part_within_and_across_classes(seed: int) -> None:
    twice = [(label, f"{label}-{i}") for label in "ab" for i in range(8)]
    across = [(label, f"both-{i}") for label in "ab" for i in range(10)]
    pairs = images(a=30, b=30) + twice + across
    parts = divided(pairs, seed=seed)
    of_digest: dict[str, set[str]] = {}
    for (_, digest), part in zip(pairs, parts.tolist(), strict=True):
        of_digest.setdefault(digest, set()).add(part)
    assert {len(found) for found in of_digest.values()} == {1}
    assert all(min(counts) >= 4 for counts in by_class(pairs, parts).values())


@pytest.mark.parametrize("given", [None, "train"])
def test_images_of_two_classes_are_trained_on(given: Split | None) -> None:
    pairs = images(a=20, b=20) + [(label, f"both-{i}") for label in "ab" for i in range(10)]
    parts = divided(pairs, given=[given] * len(pairs))
    assert set(parts[40:].tolist()) == {"train"}
    assert "val" in parts[:40].tolist()


def test_given_division_is_kept() -> None:
    pairs = images(a=9, b=9)
    once: list[Split | None] = ["test", "train", "train", "val", "test", "train"]
    given = once * 3
    for seed in (0, 1):
        np.testing.assert_array_equal(divided(pairs, given=given, seed=seed), given)


def test_val_is_carved_out_of_a_given_train() -> None:
    pairs = images(a=100, b=40)
    given = TRAIN * 85 + TEST * 15 + TRAIN * 34 + TEST * 6
    parts = divided(pairs, given=given)
    assert by_class(pairs, parts) == {"a": (70, 15, 15), "b": (28, 6, 6)}
    np.testing.assert_array_equal(parts == "test", np.array(given) == "test")
    assert (parts != divided(pairs, given=given, seed=1)).any()


@pytest.mark.parametrize("copied", ["test", "val"])
def test_copy_of_a_held_out_image_leaves_a_given_train(copied: Split) -> None:
    pairs = [*images(a=9, b=9), ("a", "b-0"), ("b", "b-0")]
    once: list[Split | None] = ["train", "val", "test"]
    given = once * 6
    given[9], given[10] = copied, "val"  # b-0, b-1
    given += ["train", "train"]
    parts = divided(pairs, given=given)
    assert parts[[9, 18, 19]].tolist() == [copied] * 3
    np.testing.assert_array_equal(parts[:18], given[:18])


def test_copy_in_val_and_test_is_tested() -> None:
    pairs = [*images(a=6), ("a", "a-1")]
    given: list[Split | None] = ["train", "val", "test", "train", "val", "test", "test"]
    assert divided(pairs, given=given)[[1, 6]].tolist() == ["test", "test"]


def test_copies_do_not_straddle_a_carved_val() -> None:
    pairs = [("a", f"twice-{i}") for _ in "12" for i in range(20)] + images(a=9, b=9)
    given = TRAIN * 40 + (TRAIN * 7 + TEST * 2) * 2
    parts = divided(pairs, given=given)
    np.testing.assert_array_equal(parts[:20], parts[20:40])
    assert {"train", "val"} == set(parts[:20].tolist())


def missing(images: list[tuple[str, str]], splits: NDArray[np.str_]) -> dict[str, str]:
    return missing_parts([label for label, _ in images], [digest for _, digest in images], splits)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 different image, none for train and val"),
        (2, "2 different images, none for train"),
        (3, None),
    ],
)
def test_small_classes_are_divided_as_far_as_they_go(count: int, told: str | None) -> None:
    pairs = images(large=20, tiny=count)
    assert missing(pairs, divided(pairs)) == ({"tiny": told} if told else {})


def test_copies_do_not_make_a_class_larger() -> None:
    pairs = [*images(large=20, tiny=2), ("tiny", "tiny-0"), ("tiny", "tiny-1")]
    assert missing(pairs, divided(pairs)) == {"tiny": "2 different images, none for train"}


def test_class_missing_from_a_given_part_is_named_with_the_part() -> None:
    pairs = images(a=4, b=4)
    given: list[Split | None] = ["train", "val", "test", "train", "train", "train", "val", "val"]
    told = missing(pairs, divided(pairs, given=given))
    assert told == {"b": "4 different images, none for test"}
