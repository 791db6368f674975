"""What the parts of a head that grow, or that say what each feature adds, have to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZE = "n_estimators"
"""The setting that says how large an ensemble is; scikit-learn and XGBoost agree on its name."""


class Contributions(Protocol):
    """Tells what each feature of an embedding added to the score of a class."""

    def __call__(
        self, classifier: Any, embeddings: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> NDArray[np.floating[Any]]:
        """Divide scores among features.

        Args:
            classifier: Fitted.
            embeddings: (N, F).
            classes: (N,) the class of each embedding.

        Returns:
            (N, F); a row adds up to the class's score at the embedding, above what the score is
            before any feature is known.

        Raises:
            NotImplementedError: There are none for these parameters.
        """
        ...


class Growth(Protocol):
    """An ensemble that grows in place: its first k trees (or rounds) are the ensemble of size k."""

    @property
    def size(self) -> int:
        """How many trees or rounds it has."""
        ...

    def grow(self, size: int) -> Iterator[NDArray[np.floating[Any]]]:
        """Grow to a size.

        Yields:
            After each tree or round, the probabilities (V, C) of the images to score: those that
            an ensemble of that size, fitted by itself, gives.
        """
        ...
