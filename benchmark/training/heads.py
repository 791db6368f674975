"""Turns a head into what it says of images that it does not know, into a file and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry import heads
from registry.errors import UserError

FOLDS = 5
"""Into how many parts the train split is divided to predict its images."""


def predict_held_out(
    make: Callable[[], Any], embeddings: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """Predict each image by a head that was fitted without it.

    Args:
        make: Makes an unfitted head.
        embeddings: (N, F).
        labels: (N,); a class of one image has no fold without it, and then all are fitted to.
        seed: Of the division into at most `FOLDS`.

    Returns:
        Probabilities (N, C).
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        fitted: NDArray[np.float32] = make().fit(embeddings, labels).predict_proba(embeddings)
        return fitted
    probabilities = np.zeros((len(labels), labels.max() + 1), dtype=np.float32)
    divided = StratifiedKFold(folds, shuffle=True, random_state=seed).split(embeddings, labels)
    for rows, held_out in divided:
        head = make().fit(embeddings[rows], labels[rows])
        probabilities[held_out] = head.predict_proba(embeddings[held_out])
    return probabilities


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


def load_head(name: str, path: Path) -> Any:
    """Read what `save_head` wrote.

    Args:
        name: Of the head.
        path: The file.

    Returns:
        The fitted classifier.

    Raises:
        UserError: The file would load code of other packages than scikit-learn and the head's own.
    """
    if path.suffix != ".skops":
        classifier: Any = heads[name].make(seed=0, jobs=os.cpu_count() or 1)
        classifier.load_model(path)
        return classifier
    from skops.io import get_untrusted_types, load

    types = get_untrusted_types(file=path)
    trusted = ("sklearn", heads[name].factory.__module__.partition(".")[0])
    if foreign := [type_ for type_ in types if type_.partition(".")[0] not in trusted]:
        raise UserError(f"{path} is not loaded, since it holds {', '.join(foreign)}; fit it again")
    return load(path, trusted=types)
