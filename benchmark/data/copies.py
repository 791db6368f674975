"""Turns thumbnails into pairs of near copies: resized, recompressed, mirrored and cropped ones.

Each image's perceptual hash (phash of imagehash: the signs of the lowest 8 x 8 frequencies) is
compared with those of all others, of the others' middles and corners, and both in the mirror. What
is near is laid onto the other picture and compared pixel by pixel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SIDE = 48
"""Of a thumbnail in pixels: the whole picture, squashed."""
MOST = 100_000
"""In larger data sets only copies of the same bytes are found: all pairs would take hours."""
_CROPS_OF_ALL = 10_000
"""In larger data sets, cropped copies are looked for among the images of a class."""
_BITS = 12
"""By so many of 64 bits the hashes of a copy may differ; of unlike pictures it is half of them."""
_SHARES = (1.0, 0.9, 0.8, 0.7)
_STEP = 0.1
"""Cropped copies have at least such shares of the width and the height, at any place."""
_GRID, _COARSE = 32, 16
"""Pictures are compared, and laid onto each other, at so many places in each direction."""
_PROMISING, _NEARLY, _ALIKE, _FINE = 0.65, 0.85, 0.97, 0.9
"""Correlation before one is laid onto the other, after that roughly and closely, and of details."""
_CROPPED = 0.95
"""Smaller shares of a picture are called cropped."""
_STEPS = 5
_CHUNK = 1024
_QUERIES, _KEYS = 16, 4096
"""Hashes that are compared at once: a core's caches hold what becomes of them."""
_FLAT = 4.0
"""Standard deviation of the values of a picture in which there is next to nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images of which one is a copy of the other.

    Attributes:
        first: Row of the copy: what was cropped, if one was.
        second: Row of the other.
        alike: Correlation of their pixels, at most 1.
        how: ``same picture``, ``mirrored``, ``cropped`` or ``mirrored and cropped``.
    """

    first: int
    second: int
    alike: float
    how: str

    def among(self, rows: Sequence[int]) -> Pair:
        """The same pair by the numbers that its rows have elsewhere."""
        return replace(self, first=rows[self.first], second=rows[self.second])


def find_copies(thumbnails: NDArray[np.uint8], labels: Sequence[str]) -> list[Pair]:
    """Find all pairs of near copies, the surest first.

    Args:
        thumbnails: (N, SIDE, SIDE, 3), RGB.
        labels: Class of each image.
    """
    grey: Floats = thumbnails.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    uneven = np.flatnonzero(grey.std(axis=(1, 2)) > _FLAT)
    best: dict[frozenset[int], Pair] = {}
    for mirrored in (False, True):
        pairs = _candidates(grey, uneven, labels, mirrored=mirrored)
        for pair in _confirm(thumbnails, grey, pairs, mirrored=mirrored):
            rows = frozenset((pair.first, pair.second))
            if rows not in best or best[rows].alike < pair.alike:
                best[rows] = pair
    return sorted(best.values(), key=lambda pair: (-pair.alike, pair.first, pair.second))


@dataclass(frozen=True, kw_only=True)
class _Window:
    """A part of a picture, in shares of its sides."""

    left: float
    width: float
    top: float
    height: float

    @property
    def whole(self) -> bool:
        return self.width == self.height == 1


def _windows() -> list[_Window]:
    spans = [(share, _STEP * k) for share in _SHARES for k in range(round((1 - share) / _STEP) + 1)]
    return [
        _Window(left=left, width=width, top=top, height=height)
        for height, top in spans
        for width, left in spans
    ]


WINDOWS = _windows()


def _shrink(start: float, length: float, count: int) -> Floats:
    """(count, SIDE): averages of so many equal pieces of a line of pixels, from start on."""
    edges = (start + length * np.arange(count + 1) / count) * SIDE
    pixels = np.arange(SIDE)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (overlap.clip(0) * count / (length * SIDE)).astype(np.float32)


_COSINES = scipy.fft.dct(np.eye(_GRID), axis=0)[:8].astype(np.float32)


def _hash(grey: Floats, window: _Window) -> NDArray[np.uint64]:
    """(N,) perceptual hashes of a part of pictures (N, SIDE, SIDE)."""
    across = _COSINES @ _shrink(window.left, window.width, _GRID)
    down = _COSINES @ _shrink(window.top, window.height, _GRID)
    low = (down @ (grey @ across.T)).reshape(len(grey), 64)
    bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    return bits.view(np.uint64)[:, 0]


def _candidates(
    grey: Floats, rows: Ints, labels: Sequence[str], *, mirrored: bool
) -> tuple[Ints, Ints, Ints]:
    """Pairs whose hashes are near: (P,) rows, rows of what they may be part of, windows."""
    seen = grey[rows]
    queries = _hash(seen[:, :, ::-1] if mirrored else seen, WINDOWS[0])
    keys = np.stack([_hash(seen, window) for window in WINDOWS])
    near = [_near(queries, keys[:1])]
    cuts = np.arange(1, len(WINDOWS))
    for own in _among(np.asarray(labels)[rows]):
        first, second, window, distance = _near(queries[own], keys[np.ix_(cuts, own)])
        near.append((own[first], own[second], window + 1, distance))
    first, second, window, distance = (np.concatenate(part) for part in zip(*near, strict=True))
    order = np.lexsort((window, distance, second, first))  # of a pair, the nearest window
    first, second, window = first[order], second[order], window[order]
    new = np.r_[True, (np.diff(first) != 0) | (np.diff(second) != 0)][: len(order)]
    new &= first != second
    return rows[first[new]], rows[second[new]], window[new]


def _among(labels: NDArray[np.str_]) -> Iterator[Ints]:
    if len(labels) <= _CROPS_OF_ALL:
        yield np.arange(len(labels))
        return
    for label in np.unique(labels):
        yield np.flatnonzero(labels == label)


def _near(queries: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[Ints, Ints, Ints, Ints]:
    """Compare hashes (Q,) with hashes (W, K): query, key, window and distance of what is near."""
    flat = keys.ravel()

    def search(start: int) -> NDArray[np.int64]:
        some = queries[start : start + _QUERIES, None]
        found = [np.zeros((3, 0), np.int64)]
        for first in range(0, len(flat), _KEYS):
            differ = np.bitwise_count(some ^ flat[first : first + _KEYS])
            near = differ <= _BITS
            if near.any():  # far sooner known than where
                query, key = np.nonzero(near)
                found.append(np.stack([query + start, key + first, differ[query, key]]))
        return np.concatenate(found, axis=1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(search, range(0, len(queries), _QUERIES)))
    query, key, distance = np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)
    count = keys.shape[1]
    return query, key % max(count, 1), key // max(count, 1), distance


def _confirm(
    thumbnails: NDArray[np.uint8],
    grey: Floats,
    pairs: tuple[Ints, Ints, Ints],
    *,
    mirrored: bool,
) -> Iterator[Pair]:
    """Keep the pairs whose pixels agree once one picture is laid onto the part of the other."""
    small = grey.reshape(len(grey), SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))[..., None]
    grey = grey[..., None]
    table = np.array([[w.left, w.width, w.top, w.height] for w in WINDOWS], np.float32)
    flip = slice(None, None, -1 if mirrored else 1)
    for start in range(0, len(pairs[0]), _CHUNK):
        first, second, window = (part[start : start + _CHUNK] for part in pairs)
        parts = table[window]
        for pictures, count, before, after in (
            (small, _COARSE, _PROMISING, _NEARLY),
            (grey, _GRID, _NEARLY, _NEARLY),
        ):
            whole = _sample(pictures[first][:, :, flip], _whole(len(first)), count)
            near = _correlation(whole, _sample(pictures[second], parts, count)) >= before
            first, second, parts, whole = first[near], second[near], parts[near], whole[near]
            parts = _align(whole, pictures[second], parts, count)
            near = _correlation(whole, _sample(pictures[second], parts, count)) >= after
            first, second, parts = first[near], second[near], parts[near]
        one = _sample(thumbnails[first][:, :, flip].astype(np.float32), _whole(len(first)), _GRID)
        other = _sample(thumbnails[second].astype(np.float32), parts, _GRID)
        alike = _correlation(one, other)
        same = (alike >= _ALIKE) & (_correlation(_details(one), _details(other)) >= _FINE)
        cropped = parts[:, 1] * parts[:, 3] < _CROPPED
        for place in np.flatnonzero(same):
            ways = [
                way for way, true in (("mirrored", mirrored), ("cropped", cropped[place])) if true
            ]
            yield Pair(
                first=int(first[place]),
                second=int(second[place]),
                alike=round(min(float(alike[place]), 1.0), 4),
                how=" and ".join(ways) or "same picture",
            )


def _whole(count: int) -> Floats:
    return np.tile(np.array([0, 1, 0, 1], np.float32), (count, 1))


def _places(count: int) -> Floats:
    """Middles of so many equal pieces of a line from 0 to 1."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def _sample(pictures: Floats, parts: Floats, count: int) -> Floats:
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


def _align(whole: Floats, pictures: Floats, parts: Floats, count: int) -> Floats:
    """Move parts (M, 4) of pictures to where they are most like others, by Gauss-Newton steps."""
    across = _places(count)[None, None, :, None]
    down = across.transpose(0, 2, 1, 3)
    best, parts = parts, parts.copy()
    least = np.full(len(parts), np.inf)
    for _ in range(_STEPS):
        seen = _sample(pictures, parts, count)
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


def _details(seen: Floats) -> Floats:
    """What is left of pictures without what a fourth of the resolution shows."""
    count, side, _, channels = seen.shape
    blocks = seen.reshape(count, side // 4, 4, side // 4, 4, channels)
    details: Floats = blocks - blocks.mean(axis=(2, 4), keepdims=True)
    return details.reshape(seen.shape)


def _correlation(one: Floats, other: Floats) -> Floats:
    """(M,) correlation of pictures (M, H, W, C), each channel around its own mean."""
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    both = (one * other).sum(axis=(1, 2, 3))
    size = np.sqrt((one**2).sum(axis=(1, 2, 3)) * (other**2).sum(axis=(1, 2, 3)))
    correlation: Floats = (both / np.maximum(size, 1e-6)).astype(np.float32)
    return correlation
