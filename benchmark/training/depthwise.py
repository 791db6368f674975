"""Turns a network's depthwise convolutions into ones that train in float32 on a processor."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


class _TrainsInFloat32(nn.Conv2d):
    """Leaves bfloat16 for the one operation that it makes slower.

    A depthwise convolution multiplies no matrices, and its backward pass in bfloat16 takes oneDNN
    about twice as long as in float32: training steps of 16 images on an AMD EPYC with bfloat16 were
    1.3 to 2.2 times as fast so as with all in bfloat16 (ConvMixer and EfficientNet-Lite0, 64 to 240
    pixels). Inference stays in bfloat16, where it is faster.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Conv2d's name
        if not (self.training and input.device.type == "cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def train_depthwise_in_float32(network: nn.Module) -> None:
    """Change a network's depthwise convolutions in place; weights and their names stay."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            kind: Any = type(module)
            module.__class__ = _exact(kind)


@cache
def _exact(kind: Any) -> Any:
    """The same kind of convolution, a model's own included, that trains in float32."""
    return type(kind.__name__, (_TrainsInFloat32, kind), {})
