"""Turns networks, and heads on networks, into the same thing: what tells a class and shows why."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.explain.attention import attention_rollout
from benchmark.explain.gradcam import find_cam_layer, gradcam
from benchmark.explain.remembered import Remembered
from benchmark.explain.trees import linear_weights
from benchmark.training.network import Network
from registry.specs import HeadSpec, ModelSpec

KINDS = {"gradcam": "Grad-CAM", "attention": "ViT Attention"}


class Explainer(Protocol):
    """A trained classifier of images that shows where it looked."""

    @property
    def kind(self) -> str | None:
        """Name of its kind of heatmap, as in the study; None if it has no maps."""
        ...

    def classify(self, images: Tensor) -> NDArray[np.float32]:
        """Images (N, 3, S, S) in [0, 1] -> probabilities (N, C)."""
        ...

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images and the class of each to explain, (N,) -> (N, h, w), not negative."""
        ...


class NetworkExplainer:
    """A network, by Grad-CAM or attention rollout; see `Explainer`."""

    def __init__(self, network: Network, model: ModelSpec) -> None:
        """Wrap a network.

        Args:
            network: Trained, on the device of the images to come.
            model: Names the kind of explanation, and the layer for Grad-CAM.
        """
        self.kind = KINDS[model.explanation] if model.explanation else None
        self._network = network.eval().facing_ahead()  # maps are of the image as it is
        self._logits = Remembered(network)
        self._model = model

    def classify(self, images: Tensor) -> NDArray[np.float32]:
        """See `Explainer.classify`."""
        probabilities: NDArray[np.float32] = self._logits(images).softmax(1).cpu().numpy()
        return probabilities

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Explainer.heat`; attention is the same whatever the class."""
        network = self._network
        if self._model.explanation == "attention":
            return attention_rollout(network, images)
        layer = find_cam_layer(network, self._model.cam_layer, images)
        chosen = torch.from_numpy(classes).to(images.device)[:, None]
        return gradcam(network.backbone, layer, images, lambda x: network(x).gather(1, chosen))


class HeadExplainer:
    """A head on a network's embeddings, by its features' contributions; see `Explainer`."""

    kind: str | None

    def __init__(
        self,
        network: Network,
        model: ModelSpec,
        head: Any,
        spec: HeadSpec,
        mean_embedding: NDArray[np.float32],
    ) -> None:
        """Wrap a head.

        Args:
            network: The trained backbone, on the device of the images to come.
            model: Of the backbone; names the layer for Grad-CAM.
            head: A fitted classifier of the network's embeddings.
            spec: Of the head.
            mean_embedding: (F,) over the data set.
        """
        self.kind = "Feature contributions" if model.explanation and spec.contributions else None
        self._network = network.eval().facing_ahead()  # maps are of the image as it is
        self._embeddings = remembered_embeddings(network)
        self._model = model
        self._head = head
        self._spec = spec
        self._mean = mean_embedding

    def classify(self, images: Tensor) -> NDArray[np.float32]:
        """See `Explainer.classify`."""
        embeddings = self._embeddings(images).cpu().numpy()
        with self._spec.code():
            probabilities: NDArray[np.float32] = self._head.predict_proba(embeddings)
        return probabilities

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Explainer.heat`: Grad-CAM of the contributions' linear score."""
        assert self._spec.contributions is not None
        embeddings = self._embeddings(images).cpu().numpy()
        contributions = self._spec.contributions(self._head, embeddings, classes)
        weights = linear_weights(contributions, embeddings, self._mean)
        on_device = torch.from_numpy(weights).to(images.device)
        layer = find_cam_layer(self._network, self._model.cam_layer, images)
        embed = self._network.embed
        return gradcam(
            self._network.backbone, layer, images, lambda x: (embed(x) * on_device).sum(1)
        )


@lru_cache(maxsize=1)
def remembered_embeddings(network: Network) -> Remembered:
    """Remember a network's embeddings for all heads that follow each other on it.

    Its weights must stay as they are.
    """
    return Remembered(network.embed)


def heatmaps(explainer: Explainer, images: Tensor, classes: NDArray[np.int64]) -> Tensor:
    """Compute heatmaps at the images' size.

    Args:
        explainer: The classifier.
        images: (N, 3, S, S) in [0, 1].
        classes: (N,) the class of each image to explain.

    Returns:
        (N, S, S) on the CPU, each scaled to [0, 1].

    Raises:
        NotImplementedError: The classifier has no maps; the message says why.
    """
    if explainer.kind is None:
        raise NotImplementedError("this kind of classifier has none")
    maps = torch.nn.functional.interpolate(
        torch.from_numpy(explainer.heat(images, classes))[:, None],
        size=images.shape[-2:],
        mode="bilinear",
    )[:, 0]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)
