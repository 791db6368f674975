"""Turns parameters of a head into validation accuracies, without growing any tree twice."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.training.heads import fit_head
from registry.protocols import SIZE, Growth
from registry.specs import HeadSpec

KEPT = 4
"""How many ensembles stay in memory to be grown further; their curves all stay."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What heads are fitted to and scored on.

    Attributes:
        train: (N, F) embeddings of the train split.
        train_labels: (N,), every class present.
        val: (V, F) embeddings of the val split.
        val_labels: (V,).
    """

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    val: NDArray[np.float32]
    val_labels: NDArray[np.int64]


def ensemble_key(head: HeadSpec, params: Mapping[str, Any]) -> str:
    """Name what is grown: two settings with the same key are one ensemble at two sizes."""
    sized = {SIZE} if head.growth is not None else set()
    return json.dumps({k: v for k, v in params.items() if k not in sized}, sort_keys=True)


def ensemble_size(head: HeadSpec, params: Mapping[str, Any]) -> int:
    """How many trees or rounds are asked for; 1 for a head that does not grow."""
    return int(params.get(SIZE, 100)) if head.growth is not None else 1


class SharedGrowth:
    """Keeps every accuracy-by-trees curve, and the ensembles last grown.

    A smaller size is answered from the curve, a larger one grows from what is there.
    """

    def __init__(
        self, head: HeadSpec, data: Embedded, *, seed: int, jobs: int, device: str = "cpu"
    ) -> None:
        """Begin with nothing grown.

        Args:
            head: Which.
            data: To fit and to score.
            seed: Of every ensemble.
            jobs: Threads of a fit.
            device: Of a fit, if the head is able to choose.
        """
        self.head = head
        self.trees_grown = 0
        """Trees of a forest, rounds of a booster; fits, for a head that does not grow."""
        self._data = data
        self._seed = seed
        self._jobs = jobs
        self._device = device
        self._curves: dict[str, list[float]] = {}
        self._growing: OrderedDict[str, Growth] = OrderedDict()

    def grow(self, params: Mapping[str, Any], size: int) -> list[float]:
        """Grow to a size where it is not known.

        Returns:
            Validation accuracy after each tree that has been grown with these parameters.
        """
        key = ensemble_key(self.head, params)
        curve = self._curves.setdefault(key, [])
        if len(curve) >= size:
            return curve
        with self.head.code():
            for grown, probabilities in self._grown(key, params, size):
                self.trees_grown += 1
                # A regrown ensemble passes again through what its curve tells already.
                if grown > len(curve):
                    predicted = probabilities.astype(np.float32).argmax(axis=1)  # as runs keep them
                    hits = predicted == self._data.val_labels
                    curve.append(float(hits.mean()))
        return curve

    def _grown(
        self, key: str, params: Mapping[str, Any], size: int
    ) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
        """Yield sizes, and what ensembles of them say of the val split."""
        data = self._data
        if key not in self._growing:
            classifier: Any = self.head.make(
                seed=self._seed, jobs=self._jobs, device=self._device, **params
            )
            if self.head.growth is None:
                fitted = fit_head(self.head, classifier, data.train, data.train_labels)
                yield 1, fitted.predict_proba(data.val)
                return
            self._growing[key] = self.head.growth(
                classifier, data.train, data.train_labels, data.val
            )
        self._growing.move_to_end(key)
        while len(self._growing) > KEPT:
            self._growing.popitem(last=False)
        growth = self._growing[key]
        for probabilities in growth.grow(size):
            yield growth.size, probabilities
