"""The study's nine networks stand on these five backbones, whose layers are imported when made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.models import register_model
from registry.specs import Schedule
from registry.weights import TorchvisionWeights

if TYPE_CHECKING:
    from torch import nn

    from registry.weights import StateDict

FINE_TUNED: tuple[Schedule, ...] = ("scratch", "staged", "frozen")


def _resnet_backbone(state: StateDict, image_size: int) -> StateDict:
    from registry.models.resnet import without_classifier

    return without_classifier(state, image_size)


def _vit_backbone(state: StateDict, image_size: int) -> StateDict:
    from registry.models.vit import resized

    return resized(state, image_size)


@register_model("basic_cnn", title="Basic CNN", cam_layer="features.6")
def basic_cnn(image_size: int) -> nn.Module:
    """Make the study's model 1."""
    from registry.models.basic_cnn import BasicCNN

    return BasicCNN(image_size)


@register_model("residual_cnn", title="Custom CNN Modern (Residual CNN)", cam_layer="stages.3.4")
def residual_cnn(image_size: int) -> nn.Module:
    """Make the study's model 2."""
    from registry.models.residual_cnn import ResidualCNN

    return ResidualCNN(image_size)


@register_model("convmixer", title="ConvMixer Model", cam_layer="blocks")
def convmixer(image_size: int) -> nn.Module:
    """Make the study's model 3; it takes any image size of at least one patch."""
    from registry.models.convmixer import ConvMixer

    return ConvMixer()


@register_model(
    "resnet18",
    title="ResNet18",
    schedules=FINE_TUNED,
    weights=TorchvisionWeights(
        url="https://download.pytorch.org/models/resnet18-f37072fd.pth", adapt=_resnet_backbone
    ),
    frozen_classifier="deep",
)
def resnet18(image_size: int) -> nn.Module:
    """Make the backbone of models 4, 6 and 10; it takes any image size."""
    from registry.models.resnet import ResNet18

    return ResNet18()


@register_model(
    "vit_b_16",
    title="Vision Transformer (ViT)",
    schedules=FINE_TUNED,
    weights=TorchvisionWeights(
        url="https://download.pytorch.org/models/vit_b_16-c867db91.pth", adapt=_vit_backbone
    ),
    explanation="attention",
    frozen_classifier="deep",
)
def vit_b_16(image_size: int) -> nn.Module:
    """Make the backbone of models 5, 6 and 10.

    Raises:
        UserError: The patches do not tile the image.
    """
    from registry.models.vit import ViTB16

    return ViTB16(image_size)
