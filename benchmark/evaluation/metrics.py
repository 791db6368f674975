"""Turns predictions into metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.predictions import Predictions

CALIBRATION_BINS = 15


def score(predictions: Predictions) -> dict[str, float]:
    """Compute the metrics of a split.

    Returns:
        ``SPLIT_accuracy``, ``SPLIT_top5_accuracy``, ``SPLIT_macro_f1``, ``SPLIT_log_loss`` (nats)
        and ``SPLIT_calibration_error``. With five classes or fewer, top-5 accuracy is 1.
    """
    from sklearn.metrics import accuracy_score, f1_score, log_loss  # slow

    labels, probabilities = predictions.labels, predictions.probabilities
    classes = np.arange(len(predictions.class_names))
    # scikit-learn's takes the last of equals, where all else here takes the first.
    top5 = float((predictions.ranked()[:, :5] == labels[:, None]).any(axis=1).mean())
    scores = {
        "accuracy": float(accuracy_score(labels, predictions.predicted)),
        "top5_accuracy": top5,
        "macro_f1": float(
            f1_score(labels, predictions.predicted, average="macro", zero_division=0.0)
        ),
        "log_loss": float(log_loss(labels, _normalised(probabilities), labels=classes)),
        "calibration_error": calibration_error(predictions),
    }
    return {f"{predictions.split}_{name}": value for name, value in scores.items()}


def _normalised(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum rows to one as exactly as scikit-learn wants them; float32 is too coarse."""
    exact = probabilities.astype(np.float64)
    normalised: NDArray[np.float64] = exact / exact.sum(axis=1, keepdims=True)
    return normalised


def calibration_error(predictions: Predictions) -> float:
    """Expected calibration error with 15 equal-width bins (Guo et al. 2017).

    Returns:
        Mean distance between confidence and accuracy over the bins, weighted by their images.
    """
    confidence = predictions.probabilities.max(axis=1).astype(np.float64)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - predictions.correct, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(confidence))
