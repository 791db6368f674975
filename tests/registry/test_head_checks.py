"""A check that fails says what to change, in the words of who wrote the head."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from registry import HeadSpec, SearchSpace, UserError, heads
from registry.checks import HEAD_CHECKS, CheckFailed, check_head
from registry.checks.fitted import Fitted


def broken(*args: Any) -> Any:
    raise OSError("the disk is gone")


class Neighbour(KNeighborsClassifier):  # type: ignore[misc]
    """A head that keeps its promises; what is kept of it is sklearn's own."""


def head(factory: Callable[..., Any] | None = None, **parts: Any) -> HeadSpec:
    def neighbours(seed: int, jobs: int, **params: Any) -> Any:
        return KNeighborsClassifier(algorithm="brute", **params)

    return HeadSpec(**{"name": "near", "title": "Near", "factory": factory or neighbours, **parts})


def kind(base: type[Any] = KNeighborsClassifier, **members: Any) -> HeadSpec:
    """A head whose class has other members."""
    changed = type("Changed", (base,), members)
    return head(lambda seed, jobs: changed())


def say(self: Any, embeddings: Any) -> NDArray[Any]:
    """What the head under the changed one says."""
    said: NDArray[Any] = KNeighborsClassifier.predict_proba(self, embeddings)
    return said


def warning_fit(self: Any, embeddings: Any, labels: Any) -> Any:
    warnings.warn("probability is gone in 2.0\nfor good", FutureWarning, stacklevel=2)
    return KNeighborsClassifier.fit(self, embeddings, labels)


def spoiling_fit(self: Any, embeddings: Any, labels: Any) -> Any:
    KNeighborsClassifier.fit(self, embeddings.copy(), labels)
    embeddings *= 0
    return self


def trees(seed: int, jobs: int, **params: Any) -> Any:
    return ExtraTreesClassifier(random_state=seed, **params)


def unseeded(seed: int, jobs: int, **params: Any) -> Any:
    return ExtraTreesClassifier(n_estimators=5, max_depth=1, **params)


class Stunted:
    """Grows nothing."""

    def __init__(self, *given: Any) -> None:
        self.size = 0

    def grow(self, size: int) -> Any:
        self.size = size
        return iter(np.full((size, 30, 3), 1 / 3))


ONE = KNeighborsClassifier()
HEADS: dict[str, tuple[HeadSpec, str]] = {
    "title": (head(title=""), "its title is empty"),
    "same point": (head(grid=({"p": 1}, {"p": 1})), r"its grid has \{'p': 1\} twice"),
    "seed": (
        head(lambda jobs: KNeighborsClassifier()),
        r"factory\(seed=0, jobs=1\) fails; it takes seed and jobs .*unexpected keyword",
    ),
    "parameter": (
        head(grid=({"wieghts": 3},)),
        r"factory\(seed=0, jobs=1, wieghts=3\) fails; .* unexpected keyword argument 'wieghts'",
    ),
    "predict_proba": (
        head(lambda seed, jobs: RidgeClassifier()),
        "RidgeClassifier, which has no predict_proba",
    ),
    "same classifier": (head(lambda seed, jobs: ONE), "the same classifier twice; make a new one"),
    "fit": (kind(fit=broken), r"fit\(embeddings, labels\) fails; .* \(OSError: the disk is gone\)"),
    "fit gives nothing": (
        kind(fit=lambda self, x, y: KNeighborsClassifier.fit(self, x, y) and None),
        "fit gives NoneType, which has no predict_proba; return self",
    ),
    "probabilities fail": (kind(predict_proba=broken), "predict_proba fails; give a row a row"),
    "shape": (
        kind(predict_proba=lambda self, x: say(self, x)[:, 1:]),
        r"predict_proba gives \(30, 2\) of 30 embeddings and 3 classes; give \(30, 3\)",
    ),
    "sums": (
        kind(predict_proba=lambda self, x: 2 * say(self, x)),
        "no probabilities; let each row sum to one",
    ),
    "order": (
        kind(predict_proba=lambda self, x: say(self, x)[:, [2, 0, 1]]),
        r"columns of predict_proba are the labels \(2, 0, 1\); order them \(0, 1, 2\)",
    ),
    "not repeated": (head(unseeded), "two fits with the same seed differ; pass seed on"),
    "changed": (kind(fit=spoiling_fit), "changes the arrays it is given; work on a copy"),
    "warns": (
        kind(fit=warning_fit),
        "each run would warn: FutureWarning: probability is gone in 2.0; do what it says",
    ),
    "describe": (head(describe=broken), "describe fails on a fitted classifier"),
    "described": (head(describe=lambda one: {"size": np.inf}), "describe gives .*inf"),
    "defaults": (
        head(
            grid=({"p": 2},),
            search_space=SearchSpace(
                suggest=lambda trial: {
                    "p": trial.suggest_int("p", 1, 3),
                    "leaf_size": trial.suggest_int("leaf_size", 1, 9),
                },
                defaults={},
            ),
        ),
        r"its search_space does not hold \{'p': 2\}; .* stands in defaults, .*leaf_size",
    ),
    "outside": (
        head(
            grid=({"p": 5},),
            search_space=SearchSpace(
                suggest=lambda trial: {"p": trial.suggest_int("p", 1, 3)}, defaults={}
            ),
        ),
        r"its search_space does not hold \{'p': 5\}",
    ),
    "not suggested": (
        head(
            grid=({"p": 2},),
            search_space=SearchSpace(
                suggest=lambda trial: {"p": 1 + trial.suggest_int("p", 1, 3)}, defaults={}
            ),
        ),
        r"makes \{'p': 3\} of \{'p': 2\}",
    ),
    "growth": (head(trees, growth=broken), "its growth fails; see registry.Growth"),
    "grown": (head(trees, growth=Stunted), "its growth at size 1 is not what a fit with"),
    "contributions": (
        head(contributions=lambda one, embeddings, classes: embeddings[:, 1:]),
        r"contributions have the shape \(30, 255\); give finite numbers",
    ),
    "types": (
        head(lambda seed, jobs: Neighbour()),
        r"its file holds .*test_head_checks.Neighbour.* write trusted_types=\('",
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_head_that_breaks_a_promise_is_told_what_to_change(kind: str) -> None:
    spec, told = HEADS[kind]
    with pytest.raises(CheckFailed, match=f"^near: .*{told}"):
        check_head(spec)


def test_head_that_keeps_its_promises_passes() -> None:
    check_head(head())
    check_head(head(grid=({"n_neighbors": 3}, {"n_neighbors": 5})))
    check_head(head(lambda seed, jobs: DummyClassifier(strategy="prior")))
    check_head(head(grid=({"n_neighbors": 100},)))
    check_head(head(lambda seed, jobs: make_pipeline(PCA(64), LogisticRegression())))
    counted = head(
        trees,
        describe=lambda one: {"trees": len(one.estimators_)},
        trusted_types=heads["extra_trees"].trusted_types,
    )
    check_head(counted)
    named = Neighbour.__module__ + ".Neighbour"
    brute = head(lambda seed, jobs: Neighbour(algorithm="brute"), trusted_types=(named,))
    check_head(brute)


def test_unknown_head_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"did you mean xgboost"):
        check_head("xgbost")


@pytest.fixture(scope="module", params=[spec.name for spec in heads])
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return Fitted(spec=heads[request.param])


@pytest.mark.parametrize("check", HEAD_CHECKS, ids=lambda check: check.__name__)
def test_built_in_head_keeps_its_contract(fitted: Fitted, check: Callable[[Fitted], None]) -> None:
    check(fitted)
