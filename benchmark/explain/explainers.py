"""Turns networks, and heads on networks, into the same thing: what tells a class and shows why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.explain.attention import attention_rollout, gathers_in_class_token
from benchmark.explain.feature_maps import PlaceLayer, find_place_layer
from benchmark.explain.gradcam import Weights, gradcam
from benchmark.explain.remembered import Remembered
from benchmark.explain.slopes import RememberedSlopes
from benchmark.study.config import Precision
from benchmark.training.inference import classify
from benchmark.training.network import Network
from registry.specs import HeadSpec, ModelSpec

ATTENTION = "ViT Attention"
CONTRIBUTIONS = "Feature contributions"
ENOUGH_PLACES = 7
"""In a row of a map: as many as Grad-CAM's of a ResNet at 224 pixels has."""
_DAMPING = 0.1
"""In terms of an embedding's root mean square distance from the mean embedding."""


@dataclass(frozen=True, kw_only=True)
class Heatmaps:
    """Where a classifier looked.

    Attributes:
        kind: Name of the kind of map, as in the study where it is one of its.
        maps: (N, h, w), not negative, on the CPU.
    """

    kind: str
    maps: Tensor


class Explainer(Protocol):
    """A trained classifier of images that shows where it looked."""

    def classify(self, images: Tensor) -> NDArray[np.float32]:
        """Images (N, 3, S, S) in [0, 1] -> probabilities (N, C)."""
        ...

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> Heatmaps:
        """Images and the class of each to explain, (N,) -> maps.

        Raises:
            NotImplementedError: The classifier has no maps; the message says why.
        """
        ...


class NetworkExplainer:
    """A network, by the gradients of a class's logit or attention rollout; see `Explainer`."""

    def __init__(
        self, network: Network, model: ModelSpec, precision: Precision = "float32"
    ) -> None:
        """Wrap a network.

        Args:
            network: Trained, on the device of the images to come.
            model: Names the kind of explanation, and the layer for Grad-CAM.
            precision: In which it classifies; its maps are made in float32.
        """
        self._network = network.eval().facing_ahead()  # maps are of the image as it is
        self._embeddings = Remembered(network.embed, precision)
        self._model = model

    def classify(self, images: Tensor) -> NDArray[np.float32]:
        """See `Explainer.classify`."""
        return classify(self._network, self._embeddings(images).cpu().numpy())

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> Heatmaps:
        """See `Explainer.heat`; attention is the same whatever the class."""
        network, model = self._network, self._model
        if model.explanation is None:
            raise NotImplementedError("this kind of network has none")
        if model.explanation == "attention" and gathers_in_class_token(network.backbone):
            return Heatmaps(
                kind=ATTENTION, maps=torch.from_numpy(attention_rollout(network, images))
            )
        chosen = torch.from_numpy(classes).to(images.device)[:, None]
        layer, weights = find_weights(network, model, images)
        maps = gradcam(layer, images, lambda x: network(x).gather(1, chosen), weights)
        return Heatmaps(kind=weights, maps=torch.from_numpy(maps))


class HeadExplainer:
    """A head on a network's embeddings, by its features' contributions; see `Explainer`."""

    def __init__(
        self,
        network: Network,
        model: ModelSpec,
        head: Any,
        spec: HeadSpec,
        mean_embedding: NDArray[np.float32],
        precision: Precision = "float32",
    ) -> None:
        """Wrap a head.

        Args:
            network: The trained backbone, on the device of the images to come.
            model: Of the backbone; names the layer for Grad-CAM.
            head: A fitted classifier of the network's embeddings.
            spec: Of the head.
            mean_embedding: (F,) over the data set.
            precision: In which the network embeds; its maps are made in float32.
        """
        self._network = network.eval()
        self._embeddings = remembered_embeddings(network, precision)
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

    def heat(self, images: Tensor, classes: NDArray[np.int64]) -> Heatmaps:
        """See `Explainer.heat`: by the gradients of the contributions' linear score."""
        if self._spec.contributions is None or self._model.explanation is None:
            raise NotImplementedError("this kind of classifier has none")
        embeddings = self._embeddings(images).cpu().numpy()
        contributions = self._spec.contributions(self._head, embeddings, classes)
        weights = linear_weights(contributions, embeddings, self._mean)
        maps = remembered_slopes(self._network, self._model)(images, weights)
        return Heatmaps(kind=CONTRIBUTIONS, maps=torch.from_numpy(maps))


def linear_weights(
    contributions: NDArray[np.floating[Any]],
    embeddings: NDArray[np.float32],
    mean: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Find the linear score to which each feature contributes what it contributes to the head's.

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
    damping = _DAMPING * np.sqrt((distance**2).mean(axis=1, keepdims=True))
    squares = np.maximum(distance**2 + damping**2, np.finfo(np.float32).tiny)
    weights: NDArray[np.float32] = (contributions * distance / squares).astype(np.float32)
    return weights


def find_weights(network: Network, model: ModelSpec, images: Tensor) -> tuple[PlaceLayer, Weights]:
    """Find the last layer with enough places, and how its feature maps are weighted.

    Where that is the last with any, as the study did, by Grad-CAM.

    Args:
        network: In evaluation mode.
        model: May name the layer.
        images: (N, 3, S, S) to try it on.
    """
    layer, is_last = find_place_layer(network, model.cam_layer, images, ENOUGH_PLACES)
    if layer.layout.prefix is not None:
        # A token's features have no meaning that holds for the whole image.
        return layer, "HiResCAM"
    return layer, "Grad-CAM" if is_last else "LayerCAM"


@lru_cache(maxsize=1)
def remembered_embeddings(network: Network, precision: Precision) -> Remembered:
    """Remember a network's embeddings for all heads that follow each other on it.

    Its weights must stay as they are.
    """
    return Remembered(network.embed, precision)


@lru_cache(maxsize=1)
def remembered_slopes(network: Network, model: ModelSpec) -> RememberedSlopes:
    """Remember how a network's embeddings depend on what a layer sees, likewise."""
    ahead = network.facing_ahead()  # maps are of the image as it is
    return RememberedSlopes(ahead, lambda images: find_weights(ahead, model, images))


def heatmaps(explainer: Explainer, images: Tensor, classes: NDArray[np.int64]) -> Heatmaps:
    """Compute heatmaps at the images' size.

    Args:
        explainer: The classifier.
        images: (N, 3, S, S) in [0, 1].
        classes: (N,) the class of each image to explain.

    Returns:
        Maps (N, S, S), each scaled to [0, 1].

    Raises:
        NotImplementedError: The classifier has no maps; the message says why.
    """
    found = explainer.heat(images, classes)
    maps = torch.nn.functional.interpolate(
        found.maps[:, None], size=images.shape[-2:], mode="bilinear"
    )[:, 0]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return replace(found, maps=(maps - low) / (high - low).clamp_min(1e-12))
