"""Turns a backbone and a kind of classifier into one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.training.depthwise import place_depthwise
from registry import models
from registry.specs import STUDY_INPUT, FrozenClassifier, InputSpec, Schedule


class Network(nn.Module):
    """A backbone in timm's vocabulary and a classifier that ends in a linear layer.

    Images (N, 3, S, S) in [0, 1] -> logits (N, C): what the backbone's input is normalised by is
    part of the network, so that all who show it images show the same.
    """

    pretrained_cfg: ClassVar = {"classifier": "classifier."}
    """By it timm's layer-wise decay knows the last layers from those below."""
    _mean: Tensor
    _std: Tensor

    def __init__(
        self, backbone: nn.Module, classifier: nn.Sequential, input_: InputSpec = STUDY_INPUT
    ) -> None:
        """Put both together.

        Args:
            backbone: Takes what it was made for.
            classifier: Takes the backbone's pooled features.
            input_: What the backbone was made for.
        """
        super().__init__()
        # The protocol's members are the factory's promise, which nn.Module's type cannot tell.
        self.backbone: Any = backbone
        self.classifier = classifier
        self.test_flip = False
        """Whether, out of training, images are seen once more in the mirror, and averaged."""
        self._normalizes = input_.is_normalized
        if self._normalizes:
            # Not among the weights: the run's record tells them.
            for name, values in (("mean", input_.mean), ("std", input_.std)):
                channels = torch.tensor(values).reshape(1, 3, 1, 1)
                self.register_buffer(f"_{name}", channels, persistent=False)

    def facing_ahead(self) -> Network:
        """The same network, with the same weights, that never looks into the mirror."""
        other = copy(self)
        other.test_flip = False
        return other

    def pool(self, images: Tensor) -> Tensor:
        """Images -> the backbone's pooled features (N, num_features)."""
        if self.test_flip and not self.training:
            return (self._pool(images) + self._pool(images.flip(-1))) / 2
        return self._pool(images)

    def _pool(self, images: Tensor) -> Tensor:
        backbone = self.backbone
        if self._normalizes:
            images = (images - self._mean) / self._std
        features: Tensor = backbone.forward_head(backbone.forward_features(images), pre_logits=True)
        return features

    def embed(self, images: Tensor) -> Tensor:
        """Images -> embeddings, the input of the last linear layer."""
        embeddings: Tensor = self.classifier[:-1](self.pool(images))
        return embeddings

    def forward(self, images: Tensor) -> Tensor:
        """Images -> logits."""
        logits: Tensor = self.classifier(self.pool(images))
        return logits


def linear_classifier(num_features: int, num_classes: int) -> nn.Sequential:
    """One layer: its input, the embedding, is what the backbone says of an image."""
    return nn.Sequential(nn.Linear(num_features, num_classes))


def deep_classifier(num_features: int, num_classes: int) -> nn.Sequential:
    """The study's deep head on a frozen backbone (experiment 2)."""
    return nn.Sequential(
        nn.Linear(num_features, 512),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Linear(512, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, num_classes),
    )


CLASSIFIERS: Mapping[FrozenClassifier, Callable[[int, int], nn.Sequential]] = {
    "linear": linear_classifier,
    "deep": deep_classifier,
}


def build_network(
    model: str,
    schedule: Schedule,
    image_size: int,
    num_classes: int,
    input_: InputSpec | None = None,
) -> Network:
    """Make a network with fresh weights, laid out as its batches are: channels last.

    Args:
        model: Name of a registered model.
        schedule: A frozen backbone gets the classifier that its spec names, others the linear one.
        image_size: Side of the images in pixels.
        num_classes: How many classes.
        input_: What a run was or is to be shown; None for what the model is made for today.

    Raises:
        UserError: The model does not exist or does not take the image size.
    """
    spec = models[model]
    backbone: Any = spec.make(image_size)
    kind = spec.frozen_classifier if schedule == "frozen" else "linear"
    classifier = CLASSIFIERS[kind](backbone.num_features, num_classes)
    network = Network(backbone, classifier, input_ or spec.input)
    place_depthwise(network)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # otherwise each convolution turns its weights around in each step
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def meta_network(model: str, schedule: Schedule, image_size: int, num_classes: int) -> Network:
    """Make a network that has shapes but no values, to count with."""
    with torch.device("meta"):
        return build_network(model, schedule, image_size, num_classes)
