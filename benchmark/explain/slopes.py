"""Turns a network into maps of many linear scores of its embeddings: it sees each image once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.explain.feature_maps import PlaceLayer
from benchmark.explain.gradcam import Weights, weigh
from benchmark.explain.remembered import digests
from benchmark.training.network import Network

MOST = 64
"""Images whose way from the layer to the embedding is kept; all begin anew beyond."""
_Key = tuple[int, int]
"""An image's digest, and how many were the same before it."""


class RememberedSlopes:
    """Keeps the graph of the layers from a map's to the embedding, for all heads on a network."""

    def __init__(
        self, network: Network, find: Callable[[Tensor], tuple[PlaceLayer, Weights]]
    ) -> None:
        """Begin with no image.

        Args:
            network: In evaluation mode; its weights must stay as they are.
            find: Gives the layer for images, and how its maps are weighted.
        """
        self._network = network
        self._find = find
        self._layer: tuple[PlaceLayer, Weights] | None = None
        self._graphs: list[tuple[Tensor, Tensor]] = []
        self._places: dict[_Key, tuple[int, int]] = {}

    def __call__(self, images: Tensor, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map linear scores of the embeddings.

        Args:
            images: (N, 3, S, S).
            weights: (N, F) of the features in each image's score.

        Returns:
            (N, h, w), not negative.
        """
        if self._layer is None:
            self._layer = self._find(images)
        layer, kind = self._layer
        keys = _apart(digests(images))
        new = {key: row for row, key in enumerate(keys) if key not in self._places}
        if new and len(self._places) + len(new) > MOST:
            self._graphs, self._places = [], {}
            new = {key: row for row, key in enumerate(keys)}
        if new:
            self._see(layer, images, new)
        places = [self._places[key] for key in keys]
        scores = torch.from_numpy(weights).to(images.device)
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for graph in {graph for graph, _ in places}:
            output, embeddings = self._graphs[graph]
            own = torch.zeros_like(embeddings)
            for score, (place, row) in zip(scores, places, strict=True):
                if place == graph:
                    own[row] = score
            (slopes,) = torch.autograd.grad(embeddings, output, own, retain_graph=True)
            found[graph] = output.detach(), slopes
        output, slopes = (
            torch.stack([found[graph][part][row] for graph, row in places]) for part in (0, 1)
        )
        return weigh(layer, output, slopes, kind)

    def _see(self, layer: PlaceLayer, images: Tensor, new: dict[_Key, int]) -> None:
        with layer.cut() as outputs, torch.enable_grad():
            embeddings = self._network.embed(images[list(new.values())])
        self._places |= {key: (len(self._graphs), row) for row, key in enumerate(new)}
        self._graphs.append((outputs[0], embeddings))


def _apart(digests: list[int]) -> list[_Key]:
    """The same, except that an image which is there twice, for two scores, has two."""
    before = Counter[int]()
    found = []
    for digest in digests:
        found.append((digest, before[digest]))
        before[digest] += 1
    return found
