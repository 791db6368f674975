"""Turns the gradients of a score at a layer into heatmaps over the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.explain.feature_maps import PlaceLayer

Weights = Literal["Grad-CAM", "HiResCAM", "LayerCAM"]


def gradcam(
    layer: PlaceLayer, images: Tensor, score: Callable[[Tensor], Tensor], weights: Weights
) -> NDArray[np.float32]:
    """Weight a layer's feature maps by a score's gradient.

    Args:
        layer: Of a backbone in evaluation mode, frozen or not.
        images: (N, 3, S, S).
        score: Images -> (N,) what to explain, such as a class's logit; it runs the layer once.
        weights: Of each feature map, its mean gradient (Grad-CAM, Selvaraju et al. 2017); or of
            each place, its own (HiResCAM, Draelos and Carin 2020), or its own as far as it is
            positive (LayerCAM, Jiang et al. 2021).

    Returns:
        (N, h, w), not negative.
    """
    with layer.cut() as outputs, torch.enable_grad():
        (gradient,) = torch.autograd.grad(score(images).sum(), outputs)
    return weigh(layer, outputs[0].detach(), gradient, weights)


def weigh(
    layer: PlaceLayer, output: Tensor, gradient: Tensor, weights: Weights
) -> NDArray[np.float32]:
    """Weight a layer's feature maps by a score's gradient at its output; see `gradcam`."""
    maps, slopes = layer.layout.maps(output), layer.layout.maps(gradient)
    if weights == "Grad-CAM":
        slopes = slopes.mean((2, 3), keepdim=True)
    elif weights == "LayerCAM":
        slopes = slopes.relu()
    heat: NDArray[np.float32] = (maps * slopes).sum(1).relu().float().cpu().numpy()
    return heat
