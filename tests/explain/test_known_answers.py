"""Maps of a task whose answer is known: one patch decides, and nothing else does."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from benchmark.explain.explainers import (
    Explainer,
    HeadExplainer,
    NetworkExplainer,
    heatmaps,
    linear_weights,
)
from benchmark.training.network import build_network
from registry import heads, models
from registry.specs import ModelSpec
from tests.explain.patches import (
    MODEL,
    PATCH,
    SIZE,
    TOKENS,
    VIT,
    fresh_network,
    head_on,
    patch_images,
    share_on_patch,
    trained_network,
)

TREES = ["xgboost", "random_forest", "extra_trees"]
AREA = PATCH**2 / SIZE**2


NETWORKS = {"cnn": MODEL, "vit": VIT}


def explainer(kind: str, *, trained: bool = True) -> Explainer:
    model = NETWORKS.get(kind, MODEL)
    network = trained_network(model) if trained else fresh_network(model, seed=5)
    return NetworkExplainer(network, model) if kind in NETWORKS else head_on(network, kind)


@pytest.mark.parametrize("kind", [*NETWORKS, *TREES])
def test_the_patch_that_decides_lights_up(kind: str) -> None:
    assert share_on_patch(explainer(kind)) > 2 * AREA


@pytest.mark.parametrize("kind", TREES)
@pytest.mark.parametrize("model", [MODEL, TOKENS], ids=["cnn", "tokens"])
def test_trees_light_up_what_speaks_for_the_class_that_is_asked_about(
    model: ModelSpec, kind: str
) -> None:
    trees = head_on(trained_network(model), kind, model)
    shares = [share_on_patch(trees, shift) for shift in range(3)]
    assert shares[0] > 2 * AREA
    assert max(shares[1:]) < shares[0] / 2


def rank(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def similarity(one: Explainer, other: Explainer) -> float:
    """Mean rank correlation of their maps; to an empty one, none."""
    images, classes, _ = patch_images(12, seed=2)
    maps = [heatmaps(each, images, classes).maps.flatten(1).numpy() for each in (one, other)]
    correlations = [
        np.corrcoef(rank(a), rank(b))[0, 1] if np.ptp(a) * np.ptp(b) > 0 else 0.0
        for a, b in zip(*maps, strict=True)
    ]
    return float(np.mean(correlations))


@pytest.mark.parametrize("kind", [*NETWORKS, *TREES])
def test_other_weights_give_another_map(kind: str) -> None:
    """The sanity check of Adebayo et al. 2018."""
    trained, other = explainer(kind), explainer(kind, trained=False)
    assert similarity(trained, trained) > 0.9  # or one of twelve maps is empty
    assert abs(similarity(trained, other)) < 0.5


def embedded(count: int = 60) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 4
    embeddings = rng.normal(size=(count, 8)).astype(np.float32)
    embeddings[np.arange(count), labels] += 2
    return embeddings, labels


@pytest.mark.parametrize("head", ["random_forest", "extra_trees"])
@pytest.mark.parametrize("params", [{"max_depth": 24}, {"max_leaf_nodes": 9}])
def test_a_forests_contributions_add_up_to_its_probability(
    head: str, params: dict[str, int]
) -> None:
    embeddings, labels = embedded()
    forest = heads[head].factory(seed=0, jobs=1, n_estimators=20, **params)
    forest.fit(embeddings, labels)
    contribute = heads[head].contributions
    assert contribute is not None
    for class_ in range(4):
        classes = np.full(len(labels), class_)
        found = contribute(forest, embeddings, classes)
        bias = np.mean([tree.tree_.value[0, 0, class_] for tree in forest.estimators_])
        probabilities = forest.predict_proba(embeddings)[:, class_]
        np.testing.assert_allclose(found.sum(1) + bias, probabilities, atol=1e-12)


@pytest.mark.parametrize("count", [2, 4])
def test_a_boosters_contributions_add_up_to_its_margin(count: int) -> None:
    embeddings, labels = embedded()
    labels = labels % count
    booster = heads["xgboost"].factory(seed=0, jobs=1, n_estimators=8, max_depth=3)
    booster.fit(embeddings, labels)
    contribute = heads["xgboost"].contributions
    assert contribute is not None
    margins = booster.predict(embeddings, output_margin=True)
    margins = np.stack([-margins, margins], 1) if count == 2 else margins
    for class_ in range(count):
        found = contribute(booster, embeddings, np.full(len(labels), class_)).sum(1)
        bias = margins[:, class_] - found  # the same for all images
        np.testing.assert_allclose(bias, bias[0], atol=1e-5)
        assert found.std() > 0.1


@pytest.mark.parametrize("count", [2, 4])
def test_a_regressions_contributions_add_up_to_its_logit(count: int) -> None:
    embeddings, labels = embedded()
    labels = labels % count
    probe: Any = heads["logistic_regression"].factory(seed=0, jobs=1, C=0.1)
    probe.fit(embeddings, labels)
    contribute = heads["logistic_regression"].contributions
    assert contribute is not None
    logits = probe.decision_function(embeddings)
    logits = np.stack([-logits, logits], 1) if count == 2 else logits
    intercept = probe[-1].intercept_
    intercept = np.array([-intercept[0], intercept[0]]) if count == 2 else intercept
    for class_ in range(count):
        found = contribute(probe, embeddings, np.full(len(labels), class_)).sum(1)
        np.testing.assert_allclose(found + intercept[class_], logits[:, class_], atol=1e-5)


def test_a_linear_scores_own_weights_come_back() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(50, 8)).astype(np.float32)
    weights, mean = rng.normal(size=8).astype(np.float32), embeddings.mean(0)
    found = linear_weights(weights * (embeddings - mean), embeddings, mean)
    far = np.abs(embeddings - mean) > 1  # what is close to the mean is damped
    np.testing.assert_allclose(found[far], np.broadcast_to(weights, found.shape)[far], rtol=0.05)
    assert (np.abs(found) <= np.abs(weights) + 1e-6).all()


def test_trees_on_a_transformer_have_a_map_of_its_patches_for_each_class() -> None:
    torch.manual_seed(0)
    for name in ("vit_b_16", "timm:vit_tiny_patch16_224"):
        network = build_network(name, "scratch", 64, 3).eval()
        images = torch.rand(4, 3, 64, 64)
        with torch.no_grad():
            embeddings = network.pool(images).numpy()
        forest = heads["extra_trees"].factory(seed=0, jobs=1, n_estimators=10)
        forest.fit(embeddings, np.array([0, 1, 0, 1]))
        head = HeadExplainer(
            network, models[name], forest, heads["extra_trees"], embeddings.mean(0)
        )
        for_zero, for_one = (head.heat(images, np.full(4, class_)).maps for class_ in (0, 1))
        assert for_zero.shape == (4, 4, 4)
        assert for_zero.max() > 0
        assert not np.allclose(for_zero, for_one)
