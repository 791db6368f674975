"""Turns shares of a sample into what they say of the whole."""

from __future__ import annotations

import math

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95% interval."""


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95% score interval of a proportion (Wilson 1927), sound for small n and near 0 and 1.

    Args:
        share: Of successes, in [0, 1].
        n: How many were tried, at least one.

    Returns:
        Its lower and upper bound, in [0, 1].
    """
    shrink = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / shrink
    half = Z_95 / shrink * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
