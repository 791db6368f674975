"""A task that one patch decides, and tiny networks that have learnt it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models import VisionTransformer
from torch import Tensor, nn

from benchmark.explain.explainers import Explainer, HeadExplainer, heatmaps
from benchmark.training.network import Network
from registry import heads
from registry.specs import ModelSpec

SIZE = 32
PATCH = 8
TRAIN = 200
COLOURS = torch.tensor([[1.0, 0.1, 0.1], [0.1, 1.0, 0.1], [0.1, 0.1, 1.0]])
MODEL = ModelSpec(name="tiny", title="Tiny", factory=lambda size: TinyCNN())
VIT = ModelSpec(name="vit", title="ViT", factory=lambda size: tiny_vit(), explanation="attention")
TOKENS = ModelSpec(name="tokens", title="Tokens", factory=lambda size: PatchColours())


class TinyCNN(nn.Module):
    """Two convolutions and average pooling: maps of 16 x 16 places."""

    num_features = 16

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.features(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean((2, 3))


def tiny_vit() -> nn.Module:
    """Two blocks over 4 x 4 patches of the image."""
    return VisionTransformer(
        img_size=SIZE, patch_size=PATCH, embed_dim=32, depth=2, num_heads=2, num_classes=0
    )


class PatchColours(nn.Module):
    """A transformer's 4 x 4 tokens without its attention: each keeps the colour of its place."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.AvgPool2d(PATCH), nn.Flatten(2))
        self.norm = nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.norm(self.embed(x).mT)
        return tokens

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean(1)


def patch_images(count: int, seed: int) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Grey noise with a red, green or blue patch anywhere.

    Returns:
        Images (N, 3, 32, 32), classes (N,), and which pixels are the patch's (N, 32, 32).
    """
    rng = torch.Generator().manual_seed(seed)
    images = 0.3 + 0.4 * torch.rand(count, 3, SIZE, SIZE, generator=rng)
    classes = torch.arange(count) % 3
    patches = torch.zeros(count, SIZE, SIZE, dtype=torch.bool)
    for i, (y, x) in enumerate(torch.randint(0, SIZE - PATCH, (count, 2), generator=rng)):
        patches[i, y : y + PATCH, x : x + PATCH] = True
        images[i, :, patches[i]] = COLOURS[classes[i]][:, None]
    return images, classes.numpy(), patches


@cache
def trained_network(model: ModelSpec = MODEL) -> Network:
    """A network that tells the patches' colours."""
    network = fresh_network(model, seed=0)
    images, classes, _ = patch_images(TRAIN, seed=1)
    labels = torch.from_numpy(classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(30):
        for rows in torch.split(torch.randperm(TRAIN), 40):
            loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def fresh_network(model: ModelSpec, seed: int) -> Network:
    """The same network before it learnt."""
    torch.manual_seed(seed)
    backbone: Any = model.factory(SIZE)
    return Network(backbone, nn.Sequential(nn.Linear(backbone.num_features, 3))).eval()


def head_on(network: Network, head: str, model: ModelSpec = MODEL) -> HeadExplainer:
    """A head that has learnt the same from the network's embeddings."""
    images, classes, _ = patch_images(TRAIN, seed=1)
    with torch.no_grad():
        embeddings = network.pool(images).numpy()
    classifier: Any = heads[head].make(seed=0, jobs=1, device="cpu", n_estimators=40, max_depth=6)
    fitted = classifier.fit(embeddings, classes)
    return HeadExplainer(network, model, fitted, heads[head], embeddings.mean(0))


def share_on_patch(explainer: Explainer, shift: int = 0) -> float:
    """The share of the heat on the patches of new images; 1/16 of the pixels are theirs.

    Args:
        explainer: The classifier.
        shift: From the class of each image to that which is explained.
    """
    images, classes, patches = patch_images(12, seed=2)
    assert (explainer.classify(images).argmax(1) == classes).mean() > 0.9
    heat = heatmaps(explainer, images, (classes + shift) % len(COLOURS)).maps
    return float((heat * patches).sum() / heat.sum())
