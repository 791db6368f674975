"""Turns a head's contributions of features into a linear score, which has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMPING = 0.1
"""In terms of an embedding's root mean square distance from the mean embedding."""


def linear_weights(
    contributions: NDArray[np.floating[Any]],
    embeddings: NDArray[np.float32],
    mean: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Find the linear score to which each feature contributes what it contributes to the trees.

    Contributions are told against the average prediction. Those of a linear score are
    w (e - mean), its Shapley values, so that w = c / (e - mean): a feature below its mean that
    speaks for the class gets a negative weight, and what its absence tells lights up nowhere.
    Where a feature is close to its mean the quotient would drown all others, and is damped:
    c d / (d^2 + damping^2).

    Args:
        contributions: (N, F), see `registry.specs.Contributions`.
        embeddings: (N, F).
        mean: (F,) of the data set's embeddings.

    Returns:
        (N, F).
    """
    distance = embeddings - mean
    damping = DAMPING * np.sqrt((distance**2).mean(axis=1, keepdims=True))
    squares = np.maximum(distance**2 + damping**2, np.finfo(np.float32).tiny)
    weights: NDArray[np.float32] = (contributions * distance / squares).astype(np.float32)
    return weights
