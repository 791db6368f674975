"""Turns a head's spec into what checks look at: embeddings of three classes, fitted classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from registry.checks.failure import Checked
from registry.specs import HeadSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES, FEATURES = 3, 256
"""As many features as the smallest of the usual backbones gives."""
_TRAIN, _SCORED = 300, 30


@dataclass(frozen=True, kw_only=True)
class Fitted(Checked):
    """A head that is being checked.

    Attributes:
        spec: The head.
    """

    spec: HeadSpec

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,), the last class first."""
        return np.arange(_TRAIN + _SCORED)[::-1] % CLASSES

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """(N, F) not negative, as after a ReLU; each class has its own place."""
        rng = np.random.default_rng(0)
        places = 4 * rng.random((CLASSES, FEATURES)) + 4 * np.eye(CLASSES, FEATURES)
        noise = rng.normal(0, 0.3, (len(self.labels), FEATURES))
        return np.abs(places[self.labels] + noise).astype(np.float32)

    @property
    def train(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Embeddings and labels to fit to; copies, so that nothing is lost if they are changed."""
        return self.embeddings[:_TRAIN].copy(), self.labels[:_TRAIN].copy()

    @property
    def scored(self) -> NDArray[np.float32]:
        """Embeddings to score; a copy."""
        return self.embeddings[_TRAIN:].copy()

    @cached_property
    def classifier(self) -> Any:
        """Fitted with the first point of the grid."""
        return self.fit(**self.spec.grid[0])

    @cached_property
    def probabilities(self) -> NDArray[Any]:
        """What the classifier says of the embeddings to score."""
        with self.advising("predict_proba fails; give a row a row, with a column for each class"):
            return np.asarray(self.classifier.predict_proba(self.scored))

    def make(self, **params: Any) -> Any:
        """Make an unfitted classifier with these parameters."""
        told = "".join(f", {name}={value!r}" for name, value in params.items())
        with self.advising(
            f"factory(seed=0, jobs=1{told}) fails; it takes seed and jobs and what the grid holds, "
            "by name, and gives a classifier with fit and predict_proba"
        ):
            return self.spec.make(seed=0, jobs=1, **params)

    def fit(self, **params: Any) -> Any:
        """Fit a classifier with these parameters."""
        unfitted = self.make(**params)
        with self.advising("fit(embeddings, labels) fails; it gets float32 (N, F) and int64 (N,)"):
            return unfitted.fit(*self.train)
