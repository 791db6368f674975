"""Heads are made where the run computes, if they are able to."""

from __future__ import annotations

from typing import Any

import pytest

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
