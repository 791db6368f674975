"""Turns a head into what it says of images that it does not know, into a file and back."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from registry import HeadSpec, heads
from registry.errors import PluginError, UserError

HEAD_FILES = ("head.skops", "head.ubj")
"""scikit-learn's by skops, and what a classifier writes itself, as XGBoost's does."""

FOLDS = 5
"""Into how many parts the train split is divided to predict its images."""


def fit_head(
    head: HeadSpec, unfitted: Any, embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> Any:
    """Fit a head's classifier to embeddings (N, F) and labels (N,).

    Of fewer images than ``n_neighbors``, all are neighbours.

    Raises:
        PluginError: The classifier is a plugin's, and failed.
        MemoryError: It is a forest that would not find room.
    """
    _check_room(unfitted, embeddings, labels)
    with head.code():
        # Not by a class of the head's own: files and ONNX know scikit-learn's.
        neighbours = getattr(unfitted, "n_neighbors", None)
        if isinstance(neighbours, int) and neighbours > len(labels):
            unfitted.set_params(n_neighbors=len(labels))
        return unfitted.fit(embeddings, labels)


def _check_room(unfitted: Any, embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Refuse a forest that fills the memory: the system would end the process, and all its runs.

    Each node of scikit-learn's trees holds 8 bytes a class. What one tree takes is tried where the
    largest trees that there could be would not fit.
    """
    if type(unfitted).__name__ not in ("ExtraTreesClassifier", "RandomForestClassifier"):
        return
    from sklearn.base import clone

    free, count = psutil.virtual_memory().available, unfitted.n_estimators
    if count * 2 * len(labels) * 8 * (int(labels.max()) + 1) < free:
        return
    (tree,) = clone(unfitted).set_params(n_estimators=1).fit(embeddings, labels).estimators_
    if (needed := count * tree.tree_.value.nbytes) > free:
        raise MemoryError(
            f"{count} such trees take some {needed / 1e9:,.0f} GB, of {free / 1e9:,.0f} that are "
            "free"
        )


def head_probabilities(
    head: HeadSpec, fitted: Any, embeddings: NDArray[np.float32], num_classes: int
) -> NDArray[np.float32]:
    """Ask a fitted head for its probabilities (N, C) of embeddings (N, F).

    Raises:
        PluginError: The classifier is a plugin's, and failed, or gives something else.
    """
    with head.code():
        found: NDArray[np.float32] = fitted.predict_proba(embeddings)
        wanted = len(embeddings), num_classes
        if found.shape != wanted:
            raise ValueError(f"predict_proba gives an array of {found.shape}, not of {wanted}")
        if not ((found >= 0) & (found <= 1)).all():  # nor nan
            raise ValueError("predict_proba gives numbers that are no probabilities, from 0 to 1")
        # As it is kept: of what is equal there, no other class is the first here.
        return found.astype(np.float32, copy=False)


def predict_held_out(
    head: HeadSpec,
    make: Callable[[], Any],
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float32]:
    """Predict each image by a head that was fitted without it.

    Args:
        head: Which.
        make: Makes an unfitted one.
        embeddings: (N, F).
        labels: (N,); the image of a class of one is fitted to for all, and then for itself.
        seed: Of the division into at most `FOLDS`.

    Returns:
        Probabilities (N, C).
    """
    from sklearn.model_selection import StratifiedKFold

    images = np.bincount(labels)
    several = np.flatnonzero(images[labels] > 1)
    alone = np.flatnonzero(images[labels] == 1)
    divided = [(several, several)]
    if len(several):
        folds = StratifiedKFold(min(FOLDS, images.max()), shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # of classes with fewer images than folds
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            divided = list(folds.split(several, labels[several]))
    probabilities = np.zeros((len(labels), len(images)), dtype=np.float32)
    for fitted_to, held_out in divided:
        rows = np.union1d(several[fitted_to], alone)
        asked = np.union1d(several[held_out], alone)  # those alone keep what the last head says
        fitted = fit_head(head, make(), embeddings[rows], labels[rows])
        probabilities[asked] = head_probabilities(head, fitted, embeddings[asked], len(images))
    return probabilities


def save_head(classifier: Any, folder: Path) -> Path:
    """Write a fitted head without pickle.

    Returns:
        The file, one of `HEAD_FILES`.
    """
    if hasattr(classifier, "save_model"):
        path = folder / HEAD_FILES[1]
        classifier.save_model(path)
        return path
    from zipfile import ZIP_DEFLATED

    from skops.io import dump

    path = folder / HEAD_FILES[0]
    dump(classifier, path, compression=ZIP_DEFLATED)
    return path


def head_bytes(head: HeadSpec, fitted: Any) -> float:
    """How much memory a fitted classifier takes, in bytes; nan if that cannot be told."""
    count = _Count()
    try:
        with head.code():
            pickle.Pickler(count, protocol=5).dump(fitted)  # written nowhere, and never read
    except (PluginError, pickle.PicklingError, AttributeError, TypeError):
        return float("nan")
    return float(count.bytes)


class _Count:
    """A file that counts what is written to it."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, data: Any) -> int:
        """Count."""
        size = memoryview(data).nbytes
        self.bytes += size
        return size


def load_head(name: str, path: Path, params: Mapping[str, Any]) -> Any:
    """Read what `save_head` wrote.

    Args:
        name: Of the head.
        path: The file.
        params: Those that it was made with: a factory may make other classifiers of others.

    Returns:
        The fitted classifier.

    Raises:
        UserError: The file holds a type that such a head does not write: loading would call it.
        Exception: Of several libraries: it is damaged, or another kind of file.
    """
    spec = heads[name]
    classifier: Any = spec.make(seed=0, jobs=os.cpu_count() or 1, **params)
    if path.suffix != ".skops":
        with spec.code():
            classifier.load_model(path)
        return classifier
    from skops.io import get_untrusted_types, load
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        head = load(path, trusted=[*spec.trusted_types])
    except UntrustedTypesFoundException as error:
        found = sorted({*get_untrusted_types(file=path)} - {*spec.trusted_types})
        raise UserError(
            f"{path.name} is not loaded: it holds {', '.join(found)}, which is none of the "
            f"trusted_types of the head {name}, so that it may run any program; fit it again, or "
            "name it there, if it is its plugin's own"
        ) from error
    if type(head) is not type(classifier):
        raise TypeError(f"it holds a {type(head).__name__}, not a {type(classifier).__name__}")
    return head
