"""Turns a convolutional network's gradients into heatmaps."""

from __future__ import annotations

import numpy as np
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.training.network import Network


def find_cam_layer(network: Network, name: str | None) -> nn.Module:
    """Look up the layer for Grad-CAM.

    Args:
        network: The network.
        name: Dotted name in the backbone; None for the backbone's last convolution.

    Raises:
        ValueError: The backbone has no such layer, or no convolution.
    """
    if name is not None:
        try:
            layer: nn.Module = network.backbone.get_submodule(name)
        except AttributeError as error:
            raise ValueError(f"cam_layer {name!r} is no layer of the backbone") from error
        return layer
    convolutions = [
        module for module in network.backbone.modules() if isinstance(module, nn.Conv2d)
    ]
    if not convolutions:
        raise ValueError("Grad-CAM needs a convolution and the backbone has none")
    return convolutions[-1]


def gradcam(
    network: Network, layer: nn.Module, images: Tensor, classes: Tensor
) -> NDArray[np.float32]:
    """Compute Grad-CAM (Selvaraju et al. 2017), as captum implements it.

    Args:
        network: In evaluation mode; its backbone may be frozen.
        layer: Its output (N, K, h, w) is weighted.
        images: (N, 3, S, S).
        classes: (N,) the class of each image to explain.

    Returns:
        (N, h, w), not negative.
    """
    maps = LayerGradCam(network, layer).attribute(
        images.requires_grad_(), target=classes, relu_attributions=True
    )
    heat: NDArray[np.float32] = maps.detach().squeeze(1).float().cpu().numpy()
    return heat
