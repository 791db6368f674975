"""Turns a picture and a part of another into where they agree best, and how well.

Parts are left, width, top and height in shares of a picture's sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_STEPS = 5


def wholes(count: int) -> Floats:
    """(count, 4) parts that are whole pictures."""
    return np.tile(np.array([0, 1, 0, 1], np.float32), (count, 1))


def _places(count: int) -> Floats:
    """Middles of so many equal pieces of a line from 0 to 1."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def sample(pictures: Floats, parts: Floats, count: int) -> Floats:
    """Look at parts (M, 4) of pictures (M, S, S, C) at ``count`` x ``count`` places."""
    side = pictures.shape[1]
    which = np.arange(len(pictures))[:, None]
    seen = pictures
    for start, length in ((2, 3), (0, 1)):  # rows, then columns
        place = (parts[:, start, None] + parts[:, length, None] * _places(count)) * side - 0.5
        place = place.clip(0, side - 1.001)
        before = place.astype(np.int64)
        share = (place - before)[:, :, None, None].astype(np.float32)
        seen = seen[which, before] * (1 - share) + seen[which, before + 1] * share
        seen = seen.transpose(0, 2, 1, 3)
    return seen


def align(whole: Floats, pictures: Floats, parts: Floats, count: int) -> Floats:
    """Move parts (M, 4) of pictures to where they are most like others, by Gauss-Newton steps."""
    across = _places(count)[None, None, :, None]
    down = across.transpose(0, 2, 1, 3)
    best, parts = parts, parts.copy()
    least = np.full(len(parts), np.inf)
    for _ in range(_STEPS):
        seen = sample(pictures, parts, count)
        rest = whole - seen
        error = (rest**2).mean(axis=(1, 2, 3))
        better = error < least
        least = np.where(better, error, least)
        best = np.where(better[:, None], parts, best)
        x = np.gradient(seen, axis=2) * count / parts[:, 1, None, None, None]
        y = np.gradient(seen, axis=1) * count / parts[:, 3, None, None, None]
        slopes = np.stack([x, x * across, y, y * down], axis=-1).reshape(-1, count**2, 4)
        turned = slopes.transpose(0, 2, 1)
        normal = turned @ slopes
        normal += (1 + 1e-3 * np.trace(normal, axis1=1, axis2=2))[:, None, None] * np.eye(4)
        step = np.linalg.solve(normal, turned @ rest.reshape(-1, count**2, 1))
        parts = parts + step[:, :, 0].clip(-0.06, 0.06).astype(np.float32)
        parts[:, 1::2] = parts[:, 1::2].clip(0.6, 1.02)
        parts[:, ::2] = parts[:, ::2].clip(-0.02, 1.02 - parts[:, 1::2])
    return best.astype(np.float32)


def details(seen: Floats) -> Floats:
    """What is left of pictures without what a fourth of the resolution shows."""
    count, side, _, channels = seen.shape
    blocks = seen.reshape(count, side // 4, 4, side // 4, 4, channels)
    details: Floats = blocks - blocks.mean(axis=(2, 4), keepdims=True)
    return details.reshape(seen.shape)


def correlation(one: Floats, other: Floats) -> Floats:
    """(M,) correlation of pictures (M, H, W, C), each channel around its own mean."""
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    both = (one * other).sum(axis=(1, 2, 3))
    size = np.sqrt((one**2).sum(axis=(1, 2, 3)) * (other**2).sum(axis=(1, 2, 3)))
    correlation: Floats = (both / np.maximum(size, 1e-6)).astype(np.float32)
    return correlation
