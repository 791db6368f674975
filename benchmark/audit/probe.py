"""Turns images into embeddings, and embeddings into labels that are probably wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import Source
from benchmark.study.config import TrainConfig
from benchmark.training.devices import find_device
from benchmark.training.images import image_examples
from benchmark.training.inference import pool_examples
from benchmark.training.network import build_network
from registry import UserError, models

MODEL = "efficientnet_lite0"
IMAGE_SIZE = 160
"""Half the work of the 224 pixels that the network was made for."""
FOLDS = 5
NEIGHBOURS = 10
FAR = 6.0
"""So many robust standard deviations beyond the median distance lies an outlier."""
_COMPONENTS = 256
_CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """An image whose label a probe that was fitted without it does not believe.

    Attributes:
        row: Of the image.
        suggested: The class that it is confidently counted to.
        margin: By how much that class is more probable than the image's own, above 0, at most 1.
    """

    row: int
    suggested: int
    margin: float


def probe_images(
    source: Source, seed: int, home: Path, progress: Callable[[int, int], None]
) -> PreparedData:
    """Decode the images as the probe's backbone is shown them."""
    input_ = replace(models[MODEL].input, size=IMAGE_SIZE)
    return prepare(
        source, image_size=IMAGE_SIZE, seed=seed, home=home, progress=progress, input_=input_
    )


def embed_images(data: PreparedData) -> NDArray[np.float32]:
    """(N, F) features of all images by a frozen backbone with ImageNet weights."""
    device = find_device("auto")
    network = build_network(MODEL, "frozen", IMAGE_SIZE, 2)
    weights = models[MODEL].weights
    assert weights is not None
    network.backbone.load_state_dict(weights.load(IMAGE_SIZE, None))
    images = image_examples(data, device)
    features = pool_examples(network.to(device), images, TrainConfig()).inputs
    embeddings: NDArray[np.float32] = features.cpu().numpy()
    return embeddings


def held_out_probabilities(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], groups: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Ask linear probes for each image's classes; each was fitted without its images and copies.

    Args:
        embeddings: (N, F).
        labels: (N,).
        groups: The same for all copies of an image.
        seed: Of the division into `FOLDS`.

    Returns:
        (N, C); a class that lies in one fold alone, as one of a single image does, has probability
        0 there: its probe was not fitted to it.

    Raises:
        UserError: There are not two different images of any class.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(labels), labels.max() + 1))
    count = min(FOLDS, int(np.bincount(labels).max()), len(set(groups)))
    if count < 2:
        raise UserError("no class has two different images: nothing tells a wrong label; add some")
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds
        divided = list(folds.split(embeddings, labels, groups))
    for fitted_to, held_out in divided:
        if len(np.unique(labels[fitted_to])) < 2:
            continue
        probe = make_pipeline(
            StandardScaler(),
            PCA(min(_COMPONENTS, *embeddings[fitted_to].shape), random_state=seed),
            LogisticRegression(C=0.01, max_iter=300, tol=1e-3),
        )
        probe.fit(embeddings[fitted_to], labels[fitted_to])
        told = probe.predict_proba(embeddings[held_out])
        probabilities[np.ix_(held_out, probe.classes_)] = told
    return probabilities


def suspicious_labels(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> list[Suspicion]:
    """Find labels that are probably wrong by confident learning, the surest first.

    An image counts confidently to a class whose probability is at least the mean of that class's
    own images; to the most probable of several. If that is not its label, it is suspicious
    (Northcutt, Jiang and Chuang 2021, "Confident Learning", section 3). Of a class whose own images
    all have probability 0, which no probe was fitted to, nothing is said.

    Args:
        probabilities: (N, C), held out.
        labels: (N,).
    """
    classes = range(probabilities.shape[1])
    thresholds = np.array(
        [
            probabilities[labels == label, label].mean() if label in labels else 0
            for label in classes
        ]
    )
    known = thresholds > 0
    confident = np.where(known & (probabilities >= thresholds), probabilities, -1.0)
    counted = confident.argmax(axis=1)
    rows = np.arange(len(labels))
    margins = probabilities[rows, counted] - probabilities[rows, labels]
    found = known[labels] & (confident.max(axis=1) >= 0) & (counted != labels) & (margins > 0)
    chosen = np.flatnonzero(found)[np.argsort(-margins[found], kind="stable")]
    return [
        Suspicion(row=int(row), suggested=int(counted[row]), margin=float(margins[row]))
        for row in chosen
    ]


def _nearest(similarities: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(N, M) similarities, each row's to itself among them -> (N, count) largest of the others."""
    kth = (-count - 1, -1)  # behind the first alone, the order depends on the processor
    return np.partition(similarities, kth, axis=1)[:, -count - 1 : -1]


def outliers(embeddings: NDArray[np.float32]) -> list[tuple[int, float]]:
    """Rows of images that are like no others, the oddest first, and how far out they lie.

    It is the mean cosine distance to the `NEIGHBOURS` nearest, in robust standard deviations
    (1.4826 times the median absolute deviation) above the median.
    """
    centred = embeddings - embeddings.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    count = min(NEIGHBOURS, len(centred) - 1)
    distances = np.concatenate(
        [
            1 - _nearest(some @ centred.T, count).mean(axis=1)
            for some in np.array_split(centred, -(-len(centred) // _CHUNK))
        ]
    )
    middle = np.median(distances)
    spread = 1.4826 * np.median(np.abs(distances - middle))
    far = (distances - middle) / max(float(spread), 1e-9)
    order = np.argsort(-far, kind="stable")
    return [(int(row), float(far[row])) for row in order if far[row] > FAR]
