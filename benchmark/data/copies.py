"""Turns thumbnails into pairs of near copies: resized, recompressed, mirrored and cropped ones.

Each image's perceptual hash (phash of imagehash: the signs of the lowest 8 x 8 frequencies) is
compared with those of all others, of the others' middles and corners, and both in the mirror. What
is near is laid onto the other picture and compared pixel by pixel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.sparse.csgraph
from numpy.typing import NDArray

from benchmark.data.alignment import Floats, align, correlation, details, sample, wholes

Ints = NDArray[np.int64]

SIDE = 48
"""Of a thumbnail in pixels: the whole picture, squashed."""
MOST = 100_000
"""In larger data sets only copies of the same bytes are found: all pairs would take hours."""
CROPS_OF_ALL = 10_000
"""In larger data sets, cropped copies are looked for among the images of a class of at most so
many."""
_BITS = 12
"""Largest Hamming distance of two copies' 64-bit hashes; unlike pictures differ in about 32."""
_NEAREST = 32
"""So many of what is near to an image are compared with it: a film's frames all are."""
_ENOUGH = 12
"""Images that both were found to be copies so often are not compared with each other."""
_SHARES = (1.0, 0.9, 0.8, 0.7)
_STEP = 0.1
"""Cropped copies have at least such shares of the width and the height, at any place."""
_GRID, _COARSE = 32, 16
"""Pictures are compared, and laid onto each other, at so many places in each direction."""
_PROMISING, _NEARLY, _ALIKE, _FINE = 0.65, 0.85, 0.97, 0.9
"""Correlation before one is laid onto the other, after that roughly and closely, and of details."""
_CROPPED = 0.95
"""Smaller shares of a picture are called cropped."""
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


def find_copies(thumbnails: NDArray[np.uint8], labels: Sequence[str]) -> list[Pair]:
    """Find pairs of near copies, the surest first: all, unless an image has a great many.

    Args:
        thumbnails: (N, SIDE, SIDE, 3), RGB; those of one colour are copies of none.
        labels: Class of each image.
    """
    grey = np.empty(thumbnails.shape[:3], np.float32)
    for some in _chunks(len(grey)):
        grey[some] = thumbnails[some].astype(np.float32) @ _LUMA
    spread = [grey[some].std(axis=(1, 2)) for some in _chunks(len(grey))]
    uneven = np.flatnonzero(np.concatenate([np.zeros(0), *spread]) > _FLAT)
    keys = _hashes(grey, uneven, WINDOWS)
    of_class = np.asarray(labels)[uneven]
    best: dict[frozenset[int], Pair] = {}
    for mirrored in (False, True):
        queries = _hashes(grey[:, :, ::-1], uneven, WINDOWS[:1]) if mirrored else keys
        first, second, window = _candidates(queries[0], keys, of_class)
        candidates = uneven[first], uneven[second], window
        confirmed = _confirm(thumbnails, grey, candidates, mirrored=mirrored)
        for pair in sorted(confirmed, key=lambda pair: (pair.first, pair.second)):
            rows = frozenset((pair.first, pair.second))
            if rows not in best or best[rows].alike < pair.alike:
                best[rows] = pair
    return sorted(best.values(), key=lambda pair: (-pair.alike, pair.first, pair.second))


def first_of_copies(
    digests: Sequence[str], thumbnails: NDArray[np.uint8], labels: Sequence[str]
) -> list[int]:
    """Find of each image the first that it is a copy of, by way of others too: itself, if of none.

    Args:
        digests: Of each file; those of the same bytes are copies.
        thumbnails: (N, SIDE, SIDE, 3), RGB; of more than `MOST` they are not compared.
        labels: Class of each image.
    """
    count = len(digests)
    same: dict[str, int] = {}
    first = [same.setdefault(digest, place) for place, digest in enumerate(digests)]
    pairs = find_copies(thumbnails, labels) if count <= MOST else []
    ends = [*enumerate(first), *((pair.first, pair.second) for pair in pairs)]
    graph = scipy.sparse.coo_array(
        (np.ones(len(ends)), tuple(zip(*ends, strict=True))), shape=(count, count)
    )
    _, component = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, lowest, inverse = np.unique(component, return_index=True, return_inverse=True)
    found: list[int] = lowest[inverse].tolist()
    return found


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


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _chunks(count: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _hashes(grey: Floats, rows: Ints, windows: Sequence[_Window]) -> NDArray[np.uint64]:
    """(W, R) hashes of parts of some pictures of (N, SIDE, SIDE)."""
    hashes = np.empty((len(windows), len(rows)), np.uint64)
    for some in _chunks(len(rows)):
        seen = grey[rows[some]]
        for window, own in zip(windows, hashes, strict=True):
            own[some] = _hash(seen, window)
    return hashes


def _hash(grey: Floats, window: _Window) -> NDArray[np.uint64]:
    """(N,) perceptual hashes of a part of pictures (N, SIDE, SIDE)."""
    across = _COSINES @ _shrink(window.left, window.width, _GRID)
    down = _COSINES @ _shrink(window.top, window.height, _GRID)
    low = (down @ (grey @ across.T)).reshape(len(grey), 64)
    bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    return bits.view(np.uint64)[:, 0]


def _candidates(
    queries: NDArray[np.uint64], keys: NDArray[np.uint64], labels: NDArray[np.str_]
) -> tuple[Ints, Ints, Ints]:
    """Pairs whose hashes are near: (P,) pictures, what they may be part of, windows.

    Args:
        queries: (N,) hashes of whole pictures.
        keys: (W, N) hashes of what each window shows of them.
        labels: (N,).

    Returns:
        The nearest of each picture come first, then the second of each, and so on.
    """
    parts = [_near(queries, keys[:1])]
    for own in _among(labels):
        part = _near(queries[own], keys[1:, own])
        part[:2] = own[part[:2]]
        part[2] += 1
        parts.append(part)
    near = np.concatenate(parts, axis=1)
    near = near[:, np.lexsort((near[2], near[3], near[1], near[0]))]  # the nearest window first
    new = np.ones(near.shape[1], bool)
    new[1:] = (np.diff(near[:2]) != 0).any(axis=0)
    near = near[:, new & (near[0] != near[1])]
    near = near[:, np.lexsort((np.abs(near[1] - near[0]), near[3], near[0]))]
    place = np.arange(near.shape[1]) - np.searchsorted(near[0], near[0])
    first, second, window = near[:3, np.lexsort((near[0], place))]
    return first, second, window


def _among(labels: NDArray[np.str_]) -> Iterator[Ints]:
    if len(labels) <= CROPS_OF_ALL:
        yield np.arange(len(labels))
        return
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) <= CROPS_OF_ALL:
            yield own


def _near(queries: NDArray[np.uint64], keys: NDArray[np.uint64]) -> Ints:
    """Compare hashes (Q,) with hashes (W, K) of as many windows of each picture.

    Returns:
        (4, P): query, key, window and distance of the nearest of what is near.
    """
    count = keys.shape[1]

    def search(start: int) -> Ints:
        some = queries[start : start + _QUERIES, None]
        least = np.full((len(some), count), _BITS + 1, np.uint8)
        window = np.zeros((len(some), count), np.uint8)
        for number, hashes in enumerate(keys):
            for first in range(0, count, _KEYS):
                part = np.s_[:, first : first + _KEYS]
                differ = np.bitwise_count(some ^ hashes[first : first + _KEYS])
                nearer = differ < least[part]
                if nearer.any():  # far sooner known than where
                    least[part][nearer] = differ[nearer]
                    window[part][nearer] = number
        found = [np.zeros((4, 0), np.int64)]
        for query, (distance, number_of) in enumerate(zip(least, window, strict=True), start):
            key = np.flatnonzero(distance <= _BITS)
            order = np.lexsort((np.abs(key - query), distance[key]))  # a film's frames are in order
            key = key[order[:_NEAREST]]
            told = np.full(len(key), query), key, number_of[key], distance[key]
            found.append(np.stack(told).astype(np.int64))
        return np.concatenate(found, axis=1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(search, range(0, len(queries), _QUERIES)))
    return np.concatenate([np.zeros((4, 0), np.int64), *parts], axis=1)


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
    met = np.zeros(len(grey), np.int64)
    for some in _chunks(len(pairs[0])):
        first, second, window = (part[some] for part in pairs)
        wanted = (met[first] < _ENOUGH) | (met[second] < _ENOUGH)
        first, second, parts = first[wanted], second[wanted], table[window[wanted]]
        for pictures, count, before, after in (
            (small, _COARSE, _PROMISING, _NEARLY),
            (grey, _GRID, _NEARLY, _NEARLY),
        ):
            seen = sample(pictures[first][:, :, flip], wholes(len(first)), count)
            near = correlation(seen, sample(pictures[second], parts, count)) >= before
            first, second, parts, seen = first[near], second[near], parts[near], seen[near]
            parts = align(seen, pictures[second], parts, count)
            near = correlation(seen, sample(pictures[second], parts, count)) >= after
            first, second, parts = first[near], second[near], parts[near]
        one = sample(thumbnails[first][:, :, flip].astype(np.float32), wholes(len(first)), _GRID)
        other = sample(thumbnails[second].astype(np.float32), parts, _GRID)
        alike = correlation(one, other)
        same = (alike >= _ALIKE) & (correlation(details(one), details(other)) >= _FINE)
        cropped = parts[:, 1] * parts[:, 3] < _CROPPED
        np.add.at(met, np.r_[first[same], second[same]], 1)
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
