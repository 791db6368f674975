"""What scikit-learn's forests share: their size, their search space, and how they grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from registry.search_space import Suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOREST_DEFAULTS = {"max_features": "sqrt", "min_samples_leaf": 1, "criterion": "gini"}
"""scikit-learn's own, for what `suggest_forest` varies besides the study's two settings."""

_HELD = 100
"""So many trees are in memory at a time: with a thousand classes each can take 200 MB."""

FOREST_TYPES = ("sklearn.tree._tree.Tree",)
"""What a fitted forest's file holds besides plain estimators, numbers and arrays."""


def describe_forest(forest: Any) -> dict[str, float]:
    """Count a forest's trees and nodes and its deepest tree.

    Args:
        forest: A fitted scikit-learn forest.

    Returns:
        Metrics ``trees``, ``depth`` (edges from root to the deepest leaf) and ``nodes``.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return {
        "trees": float(len(trees)),
        "depth": float(max(tree.max_depth for tree in trees)),
        "nodes": float(sum(tree.node_count for tree in trees)),
    }


def forest_contributions(
    classifier: Any, embeddings: NDArray[np.float32], classes: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Divide a class's probability among the features that were asked on the way to the leaves.

    At each step of a path, the change of the class's share in the node goes to the feature that
    was asked (Saabas 2014); with the shares in the roots, the changes add up to the probability.
    Exact Shapley values would average over all orders of asking, at a far higher price.

    Args:
        classifier: A fitted scikit-learn forest.
        embeddings: (N, F).
        classes: (N,).

    Returns:
        (N, F) shares of probability.
    """
    import numpy as np

    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    total = np.zeros(embeddings.shape)
    for tree in (estimator.tree_ for estimator in classifier.estimators_):
        # Children are numbered after their parents, so that each row holds its path in order.
        paths = tree.decision_path(embeddings)
        rows = np.repeat(np.arange(len(embeddings)), np.diff(paths.indptr))
        shares = tree.value[paths.indices, 0, classes[rows]]
        step = np.flatnonzero(rows[1:] == rows[:-1])
        asked = tree.feature[paths.indices[step]]
        np.add.at(total, (rows[step], asked), shares[step + 1] - shares[step])
    contributions: NDArray[np.floating[Any]] = total / len(classifier.estimators_)
    return contributions


def suggest_forest(trial: Suggest) -> dict[str, Any]:
    """Suggest what every forest takes: the study's two settings first, then what matters next."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 600, step=10),
        "max_depth": trial.suggest_int("max_depth", 4, 32),
        "max_features": trial.suggest_categorical("max_features", ["sqrt", "log2", 0.1, 0.2, 0.4]),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 8),
        "criterion": trial.suggest_categorical("criterion", ["gini", "entropy"]),
    }


class ForestGrowth:
    """A scikit-learn forest with a fixed seed that grows by warm starts.

    A warm start draws from the seed what the trees that are there have drawn, so that tree k is the
    same whether it is grown at once or later, on any number of threads. The sum of the trees'
    probabilities is kept and the trees are not: they can take gigabytes.
    """

    def __init__(
        self,
        classifier: Any,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        scored: NDArray[np.float32],
    ) -> None:
        """Begin without trees; see `registry.specs.HeadSpec.growth` for the arguments."""
        import numpy as np

        self._forest = classifier.set_params(warm_start=True)
        self._train = embeddings, labels
        self._scored = np.ascontiguousarray(scored, dtype=np.float32)
        self._sum = np.zeros((len(scored), len(np.unique(labels))))
        self.size = 0

    def grow(self, size: int) -> Iterator[NDArray[np.floating[Any]]]:
        """See `registry.specs.Growth.grow`."""
        while self.size < size:
            reached = min(size, self.size + _HELD)
            self._forest.set_params(n_estimators=reached).fit(*self._train)
            grown = self._forest.estimators_[self.size :]
            # A warm start asks only how many trees there are: those that were added up can go.
            self._forest.estimators_ = [None] * reached
            for tree in grown:
                # In the forest's own order and arithmetic, to end in the very same bits.
                self._sum += tree.predict_proba(self._scored, check_input=False)
                self.size += 1
                yield self._sum / self.size
