"""Heads are made where the run computes, and predict train images that they do not know."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmark.training.heads import predict_held_out
from registry import heads


@pytest.mark.parametrize(
    ("device", "where"), [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("cuda", "cuda"), ("mps", "cpu")]
)
def test_xgboost_computes_on_a_gpu_by_cuda(device: str, where: str) -> None:
    booster: Any = heads["xgboost"].make(seed=0, jobs=1, device=device, max_depth=3)
    assert booster.get_params()["device"] == where
    assert booster.get_params()["max_depth"] == 3


def test_xgboost_has_64_bins_unless_told() -> None:
    made: list[Any] = [heads["xgboost"].make(seed=0, jobs=1, device="cpu")]
    made.append(heads["xgboost"].make(seed=0, jobs=1, device="cpu", max_bin=256))
    assert [booster.get_params()["max_bin"] for booster in made] == [64, 256]


@pytest.mark.parametrize("name", ["random_forest", "extra_trees"])
def test_a_forest_knows_no_device(name: str) -> None:
    forest: Any = heads[name].make(seed=0, jobs=1, device="cuda", n_estimators=2)
    assert forest.fit([[0.0], [1.0]], [0, 1]).predict([[1.0]]).shape == (1,)


def test_each_image_is_predicted_by_a_head_that_does_not_know_it() -> None:
    class Memory:
        """Knows what it was fitted to, and nothing else."""

        def fit(self, embeddings: Any, labels: Any) -> Memory:
            self.known = {float(one[0]) for one in embeddings}
            self.sizes = np.bincount(labels)
            return self

        def predict_proba(self, embeddings: Any) -> Any:
            assert not {float(one[0]) for one in embeddings} & self.known
            assert self.sizes.min() > 0
            return np.tile(self.sizes / self.sizes.sum(), (len(embeddings), 1))

    labels = np.repeat([0, 1, 2], [20, 10, 3])
    embeddings = np.arange(33, dtype=np.float32)[:, None]
    probabilities = predict_held_out(Memory, embeddings, labels, 0)
    assert probabilities.shape == (33, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)


def test_a_class_of_one_image_is_fitted_to() -> None:
    labels = np.array([0, 0, 0, 1])
    embeddings = np.array([[1, 0.0], [1, 0.1], [1, 0.2], [0, 9]], dtype=np.float32)
    make = partial(heads["knn"].make, seed=0, jobs=1, n_neighbors=1)
    assert predict_held_out(make, embeddings, labels, 0).argmax(1).tolist() == [0, 0, 0, 1]
