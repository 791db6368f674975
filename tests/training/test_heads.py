"""Heads predict what they do not know, and are read back without running what a file says."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from skops.io import dump, get_untrusted_types, load

from benchmark.training.heads import (
    fit_head,
    head_probabilities,
    load_head,
    predict_held_out,
    save_head,
)
from registry import HeadSpec, heads
from registry.errors import UserError

EMBEDDINGS = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
LABELS = np.arange(40) % 3


def fitted(name: str) -> Any:
    head: Any = heads[name].make(seed=0, jobs=1, **heads[name].grid[0])
    return head.fit(EMBEDDINGS, LABELS)


@pytest.mark.parametrize("name", [head.name for head in heads])
def test_a_head_is_read_back_with_the_types_that_it_names_and_no_others(
    name: str, tmp_path: Path
) -> None:
    head = fitted(name)
    path = save_head(head, tmp_path)
    if path.suffix == ".skops":
        assert get_untrusted_types(file=path) == [*heads[name].trusted_types]
    again = load_head(name, path, heads[name].grid[0])
    np.testing.assert_array_equal(again.predict_proba(EMBEDDINGS), head.predict_proba(EMBEDDINGS))


class check_output:  # noqa: N801
    """Is written by skops as a call of scikit-learn's own function of that name, with a command."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._command,)


check_output.__module__ = "sklearn.utils._testing"


def test_a_forest_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = heads["extra_trees"]
    free = SimpleNamespace(available=20_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    many = spec.make(seed=0, jobs=1, n_estimators=300)
    with pytest.raises(MemoryError, match="300 such trees take some 0 GB, of 0 that are free"):
        fit_head(spec, many, EMBEDDINGS, LABELS)
    assert fit_head(spec, spec.make(seed=0, jobs=1, n_estimators=5), EMBEDDINGS, LABELS)
    free.available = 10**9
    assert fit_head(spec, many, EMBEDDINGS, LABELS)


def test_probabilities_are_those_that_are_kept() -> None:
    """Of classes that are equal in what is kept, the first is the one."""

    class Tied:
        def predict_proba(self, embeddings: Any) -> Any:
            return np.array([[0.3, 0.1 + 0.2, 0.4 - 1e-16]])

    found = head_probabilities(heads["knn"], Tied(), EMBEDDINGS[:1], 3)
    assert found.dtype == np.float32
    assert found[0, 0] == found[0, 1]


def test_a_file_that_runs_a_program_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    path = tmp_path / "head.skops"
    dump(check_output([sys.executable, "-c", f"open({str(marker)!r}, 'w')"]), path)
    with pytest.raises(UserError, match=r"holds sklearn\.utils\._testing\.check_output") as refused:
        load_head("extra_trees", path, {})
    assert "\n" not in str(refused.value)
    assert not marker.exists()
    load(path, trusted=get_untrusted_types(file=path))
    assert marker.exists()  # so it would have


def test_another_classifier_is_no_such_head(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="RandomForestClassifier, not a ExtraTreesClassifier"):
        load_head("extra_trees", save_head(fitted("random_forest"), tmp_path), {})


def test_a_factory_may_make_another_classifier_of_each_point_of_its_grid(tmp_path: Path) -> None:
    def factory(*, seed: int, jobs: int, of: str) -> Any:
        return heads[of].make(seed=seed, jobs=jobs)

    grid = ({"of": "knn"}, {"of": "logistic_regression"})
    heads.add(HeadSpec(name="either", title="Either", factory=factory, grid=grid))
    try:
        for params in grid:
            path = save_head(fitted(params["of"]), tmp_path)
            again = load_head("either", path, params)
            assert type(again) is type(fitted(params["of"]))
    finally:
        heads.remove("either")


@pytest.mark.parametrize(
    ("device", "where"), [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("cuda", "cuda"), ("mps", "cpu")]
)
def test_xgboost_computes_on_a_gpu_by_cuda(device: str, where: str) -> None:
    booster: Any = heads["xgboost"].make(seed=0, jobs=1, device=device, max_depth=3)
    assert booster.get_params()["device"] == where
    assert booster.get_params()["max_depth"] == 3


def test_users_are_not_told_that_embeddings_lie_beside_a_gpu() -> None:
    told = "[14:15:46] WARNING: a.cc:62: Falling back to DMatrix due to mismatched devices. More."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heads["xgboost"].make(seed=0, jobs=1, device="cuda")
        warnings.warn(told, UserWarning, stacklevel=1)
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another", UserWarning, stacklevel=1)


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

    labels = np.repeat([0, 1, 2, 3], [20, 10, 3, 2])
    embeddings = np.arange(35, dtype=np.float32)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities = predict_held_out(heads["knn"], Memory, embeddings, labels, 0)
    assert probabilities.shape == (35, 4)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    assert probabilities[:, 0].min() == pytest.approx(16 / 28)  # a fifth is held out


def test_of_fewer_images_than_neighbours_all_are_neighbours() -> None:
    head = heads["knn"]
    unfitted = head.make(seed=0, jobs=1, n_neighbors=10)
    fitted = fit_head(head, unfitted, EMBEDDINGS[:6], LABELS[:6])
    assert fitted.n_neighbors == 6
    found = head_probabilities(head, fitted, EMBEDDINGS[6:9], 3)
    assert ((found > 0) & (found < 1)).all()


def test_a_class_of_one_image_is_fitted_to() -> None:
    labels = np.array([0, 0, 0, 1])
    embeddings = np.array([[1, 0.0], [1, 0.1], [1, 0.2], [0, 9]], dtype=np.float32)
    make = partial(heads["knn"].make, seed=0, jobs=1, n_neighbors=1)
    found = predict_held_out(heads["knn"], make, embeddings, labels, 0)
    assert found.argmax(1).tolist() == [0, 0, 0, 1]
    embeddings[2] = [1, 9]  # a head that knew it would say 0
    found = predict_held_out(heads["knn"], make, embeddings, labels, 0)
    assert found.argmax(1).tolist() == [0, 0, 1, 1]
    each = predict_held_out(heads["knn"], make, embeddings, np.arange(4), 0)
    assert each.argmax(1).tolist() == [0, 1, 2, 3]
