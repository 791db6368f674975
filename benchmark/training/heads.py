"""Turns embeddings into a fitted classical head."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import heads


def fit_head(
    name: str,
    params: dict[str, Any],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
) -> Any:
    """Fit a registered head.

    Args:
        name: Name of the head.
        params: For its factory.
        embeddings: (N, F) of the train split.
        labels: (N,), every class present.
        seed: Of its randomness.

    Returns:
        A fitted scikit-learn classifier.
    """
    classifier: Any = heads[name].factory(seed=seed, jobs=os.cpu_count() or 1, **params)
    return classifier.fit(embeddings, labels)


def save_head(classifier: Any, folder: Path) -> Path:
    """Write a fitted head without pickle: XGBoost in its own format, others by skops.

    Returns:
        The file, ``head.ubj`` or ``head.skops``.
    """
    if hasattr(classifier, "save_model"):
        path = folder / "head.ubj"
        classifier.save_model(path)
        return path
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    path = folder / "head.skops"
    dump(classifier, path, compression=ZIP_DEFLATED)
    return path
