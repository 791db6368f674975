"""Turns a network's depthwise convolutions into ones that compute where their device is fastest."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


class _Placed(nn.Conv2d):
    """Leaves bfloat16 on a processor, and cuDNN on a GPU, for the operation they make slower.

    A depthwise convolution multiplies no matrices. On a processor its backward pass in bfloat16
    takes oneDNN about twice as long as in float32: training steps of 16 images on an AMD EPYC with
    bfloat16 were 1.3 to 2.2 times as fast so as with all in bfloat16 (ConvMixer and
    EfficientNet-Lite0, 64 to 240 pixels). Inference stays in bfloat16, where it is faster.

    On a GPU, cuDNN compiles kernels for each new number of images that are channels last: the first
    training step of EfficientNet-Lite0 at 240 pixels took 11 s, the first scoring of each size of
    batch 2 to 4 s, on an NVIDIA H200. torch's own kernels took 0.2 and 0.1 s, and then the same
    time for a training step (21 ms for 32 images) and 12 ms for 7 to score 128.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Conv2d's name
        if torch.compiler.is_compiling():  # into kernels of its own
            return super().forward(input)
        if input.device.type == "cuda":
            with torch.backends.cudnn.flags(enabled=False):
                return super().forward(input)
        if not (self.training and input.device.type == "cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def place_depthwise(network: nn.Module) -> None:
    """Change a network's depthwise convolutions in place; weights and their names stay."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            kind: Any = type(module)
            module.__class__ = _placed(kind)


@cache
def _placed(kind: Any) -> Any:
    """The same kind of convolution, a model's own included, that computes so."""
    return type(kind.__name__, (_Placed, kind), {})
