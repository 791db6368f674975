"""ResNet-18 (He et al. 2016): the study's models 4, 6 and 10."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from registry.weights import StateDict


class ResNet18(ResNet):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's ResNet-18 in timm's vocabulary.

    Images (N, 3, S, S) -> features (N, 512, S/32, S/32) -> embeddings (N, 512).
    """

    num_features = 512
    feature_info: ClassVar = [
        {"module": f"layer{i}", "num_chs": 32 * 2**i, "reduction": 2 * 2**i} for i in (1, 2, 3, 4)
    ]

    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.fc = nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """Images -> feature maps."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        """Feature maps -> embeddings; there is no classifier to skip."""
        return torch.flatten(self.avgpool(x), 1)


def without_classifier(state: StateDict, image_size: int) -> StateDict:
    """Drop the ImageNet classifier; a convolutional network fits any image size."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
