"""Growing an ensemble in steps gives what independent fits give, bit for bit."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from benchmark.sweep import growth as growth_module
from benchmark.sweep.growth import Embedded, SharedGrowth
from registry import heads
from registry.heads.forests import ForestGrowth
from tests.sweep.synthetic import make_embedded

STEPS = (3, 4, 11, 30)
CASES = [
    ("extra_trees", {"max_depth": None}),
    ("extra_trees", {"max_depth": 4, "bootstrap": True, "min_samples_leaf": 2}),
    ("random_forest", {"max_depth": None}),
    ("random_forest", {"max_depth": 5, "max_features": 0.4, "max_samples": 0.6}),
    ("random_forest", {"criterion": "entropy", "max_features": "log2"}),
    ("xgboost", {"max_depth": 3}),
    ("xgboost", {"max_depth": None, "learning_rate": 0.1}),
    ("xgboost", {"max_depth": 4, "subsample": 0.6, "colsample_bytree": 0.5}),
    ("xgboost", {"max_depth": 3, "multi_strategy": "multi_output_tree", "subsample": 0.7}),
]


@pytest.fixture(scope="module")
def data() -> Embedded:
    return make_embedded()


def fit_alone(head: str, data: Embedded, jobs: int = 1, **params: Any) -> Any:
    classifier: Any = heads[head].factory(seed=3, jobs=jobs, **params)
    return classifier.fit(data.train, data.train_labels)


def grow(head: str, data: Embedded, params: dict[str, Any], jobs: int = 1) -> Any:
    make = heads[head].growth
    assert make is not None
    classifier = heads[head].factory(seed=3, jobs=jobs, **params)
    return make(classifier, data.train, data.train_labels, data.val)


@pytest.mark.parametrize(("head", "params"), CASES)
def test_every_size_on_the_way_is_an_independent_fit(
    head: str, params: dict[str, Any], data: Embedded
) -> None:
    grown = grow(head, data, params)
    other = grow(head, data, {"max_depth": 2})
    by_size: dict[int, Any] = {}
    for step in STEPS:
        for probabilities in grown.grow(step):
            by_size[grown.size] = probabilities.copy()
        list(other.grow(step))  # another ensemble between the steps changes nothing
    assert sorted(by_size) == list(range(1, STEPS[-1] + 1))
    for size in (1, *STEPS, 20):
        alone = fit_alone(head, data, n_estimators=size, **params).predict_proba(data.val)
        np.testing.assert_array_equal(by_size[size], alone, err_msg=f"{size} trees")


@pytest.mark.parametrize("head", ["extra_trees", "random_forest"])
def test_threads_do_not_change_the_trees(head: str, data: Embedded) -> None:
    grown = grow(head, data, {"max_depth": 6}, jobs=2)
    list(grown.grow(7))
    *_, last = grown.grow(16)
    alone = fit_alone(head, data, n_estimators=16, max_depth=6).predict_proba(data.val)
    np.testing.assert_array_equal(last, alone)


def test_two_classes(data: Embedded) -> None:
    two = make_embedded(classes=2, per_class=40)
    for head in ("extra_trees", "random_forest", "xgboost"):
        grown = grow(head, two, {"max_depth": 3})
        *_, last = grown.grow(9)
        alone = fit_alone(head, two, n_estimators=9, max_depth=3).predict_proba(two.val)
        np.testing.assert_array_equal(last, alone, err_msg=head)


def test_the_studys_points_are_what_they_were_without_seeded_rounds(data: Embedded) -> None:
    from xgboost import XGBClassifier

    plain = XGBClassifier(random_state=3, n_jobs=1, n_estimators=12, max_depth=10)
    seeded = fit_alone("xgboost", data, n_estimators=12, max_depth=10)
    np.testing.assert_array_equal(
        plain.fit(data.train, data.train_labels).predict_proba(data.val),
        seeded.predict_proba(data.val),
    )


@pytest.mark.parametrize("head", ["extra_trees", "random_forest", "xgboost"])
def test_no_tree_is_grown_twice(head: str, data: Embedded) -> None:
    shared = SharedGrowth(heads[head], data, seed=3, jobs=1)
    deep, flat = {"max_depth": 8}, {"max_depth": 2}
    shared.grow({**deep, "n_estimators": 20}, 20)
    assert shared.trees_grown == 20
    shared.grow({"n_estimators": 12, **deep}, 12)
    assert shared.trees_grown == 20
    shared.grow({**deep, "n_estimators": 25}, 25)
    assert shared.trees_grown == 25
    shared.grow({**flat, "n_estimators": 5}, 5)
    assert shared.trees_grown == 30
    curve = shared.grow(deep, 0)
    for size in (1, 12, 20, 25):
        alone = fit_alone(head, data, n_estimators=size, **deep)
        accuracy = (alone.predict_proba(data.val).argmax(axis=1) == data.val_labels).mean()
        assert curve[size - 1] == accuracy


def test_what_has_left_memory_keeps_its_curve(
    data: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth_module, "KEPT", 1)
    shared = SharedGrowth(heads["extra_trees"], data, seed=3, jobs=1)
    first = list(shared.grow({"max_depth": 8}, 10))
    shared.grow({"max_depth": 2}, 10)
    assert shared.grow({"max_depth": 8}, 6) == first
    assert shared.trees_grown == 20
    longer = shared.grow({"max_depth": 8}, 12)
    assert longer[:10] == first
    whole = SharedGrowth(heads["extra_trees"], data, seed=3, jobs=1).grow({"max_depth": 8}, 12)
    assert longer == whole


@pytest.mark.parametrize("head", ["extra_trees", "random_forest"])
def test_few_trees_are_held_at_a_time(
    head: str, data: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a thousand classes would fill the memory."""
    monkeypatch.setattr(sys.modules[ForestGrowth.__module__], "_HELD", 3)
    growth = grow(head, data, {"max_depth": None})
    forest = growth._forest
    for size, probabilities in enumerate(growth.grow(8), start=1):
        assert sum(tree is not None for tree in forest.estimators_) == 0
        assert len(forest.estimators_) == min(8, 3 * -(-size // 3))
        alone = fit_alone(head, data, n_estimators=size, max_depth=None)
        np.testing.assert_array_equal(probabilities, alone.predict_proba(data.val))
