"""Turns a system's predictions into a picture of how often it is right when it is so sure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from markupsafe import Markup

BINS = 10
SIDE = 180
_MARGIN = 14


def diagram(predictions: pd.DataFrame) -> Markup:
    """Draw accuracy against confidence, in `BINS` bins; on the diagonal both are the same.

    Args:
        predictions: Of the test split: ``probability`` of the predicted class, and ``correct``.

    Returns:
        An SVG: a point for each bin with images, its area as their number.
    """
    sure = predictions["probability"].astype(float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    told = pd.DataFrame({"sure": sure, "right": predictions["correct"].astype(float)})
    of_bin = told.groupby(bins)
    points = of_bin.mean().to_numpy(np.float64), of_bin.size().to_numpy(np.float64)
    inner = SIDE - 2 * _MARGIN
    marks = Markup("").join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
            _MARGIN + inner * mean,
            SIDE - _MARGIN - inner * right,
            2 + 10 * np.sqrt(images / len(told)),
            f"{mean:.0%} sure, {right:.0%} right: {images:.0f} images",
        )
        for (mean, right), images in zip(*points, strict=True)
    )
    return Markup(
        '<svg class="reliability" viewBox="0 0 {0} {0}" role="img" aria-label="{1}">'
        '<path class="grid" d="M{2} {2}V{3}H{3}M{2} {3}L{3} {2}"/>{4}</svg>'
    ).format(
        SIDE,
        f"Right against sure: {told['right'].mean():.0%} right, {told['sure'].mean():.0%} sure",
        _MARGIN,
        SIDE - _MARGIN,
        marks,
    )


def verdict(predictions: pd.DataFrame) -> str:
    """Such as ``81% sure, 59% right: too sure``."""
    probabilities = predictions["probability"].astype(float)
    sure = float(probabilities.mean())
    right = float(predictions["correct"].astype(float).mean())
    # Of a classifier that is as often right as it says: a share seen near 1 has too little spread.
    variance = float((probabilities * (1 - probabilities)).mean())
    error = np.sqrt(max(variance, 0.25 / len(predictions)) / len(predictions))
    told = "too sure" if sure - right > 2 * error else "not sure enough"
    apart = abs(sure - right) > 2 * error
    return f"{sure:.0%} sure, {right:.0%} right{f': {told}' if apart else ''}"
