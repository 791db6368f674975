"""Turns the gradients of a score into heatmaps over the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.explain.attention import is_attention, unfold_patches
from benchmark.training.network import Network
from registry.errors import UserError


def find_cam_layer(network: Network, name: str | None, images: Tensor) -> nn.Module:
    """Look up the layer for Grad-CAM.

    Args:
        network: The network.
        name: Dotted name in the backbone. None for the last layer with a place for each part of
            the image: where a class token gathers all, the norm before it does so for the last
            time; else what timm names as the last feature map; else the last convolution whose
            output is larger than one pixel.
        images: (N, 3, S, S) to try it on.

    Raises:
        UserError: The backbone has no such layer, or no convolution.
    """
    backbone = network.backbone
    if name is None and _has_class_token(backbone):
        return _norm_before_last_attention(backbone)
    if name is None and (stages := getattr(backbone, "feature_info", None)):
        name = stages[-1]["module"]
    if name is None:
        return _last_spatial_convolution(network, images[:1])
    try:
        layer: nn.Module = backbone.get_submodule(name)
    except AttributeError as error:
        raise UserError(f"cam_layer {name!r} is no layer of the backbone") from error
    return layer


def _has_class_token(backbone: nn.Module) -> bool:
    # torchvision's ViT has a class_token, timm's models count theirs.
    return hasattr(backbone, "class_token") or getattr(backbone, "num_prefix_tokens", 0) > 0


def _norm_before_last_attention(backbone: nn.Module) -> nn.Module:
    """The last layer through which patches reach the class token.

    Raises:
        UserError: The backbone has no layer norm before an attention.
    """
    norm = before = None
    for module in backbone.modules():
        if isinstance(module, nn.LayerNorm):
            norm = module
        elif is_attention(module):
            before = norm
    if before is None:
        raise UserError("maps of a class token need layer norms before attentions")
    return before


@torch.no_grad()
def _last_spatial_convolution(network: Network, image: Tensor) -> nn.Module:
    found: list[nn.Module] = []

    def record(module: nn.Module, args: Any, output: Tensor) -> None:
        if output.shape[-2:].numel() > 1:
            found.append(module)

    handles = [
        module.register_forward_hook(record)
        for module in network.backbone.modules()
        if isinstance(module, nn.Conv2d)
    ]
    network.pool(image)
    for handle in handles:
        handle.remove()
    if not found:
        raise UserError("Grad-CAM needs a convolution and the backbone has none")
    return found[-1]


def gradcam(
    backbone: nn.Module, layer: nn.Module, images: Tensor, score: Callable[[Tensor], Tensor]
) -> NDArray[np.float32]:
    """Compute Grad-CAM (Selvaraju et al. 2017) of a score.

    Args:
        backbone: In evaluation mode, frozen or not; tells how its feature maps are laid out.
        layer: Its output is weighted by the score's gradient: averaged over each feature map, or
            place by place for tokens (HiResCAM, Draelos and Carin 2020), whose features have no
            meaning of their own that would hold for the whole image.
        images: (N, 3, S, S).
        score: Images -> (N,) what to explain, such as a class's logit; it runs the layer once.

    Returns:
        (N, h, w), not negative.
    """
    outputs: list[Tensor] = []

    def cut(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        # A leaf, so that nothing before the layer is differentiated, and a copy for what follows,
        # which may write to it.
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    handle = layer.register_forward_hook(cut)
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(score(images).sum(), outputs)
    finally:
        handle.remove()
    output = outputs[0].detach()
    if output.ndim == 3:
        maps = unfold_patches((gradient * output).sum(2), backbone)
    else:
        channels, places = (3, (1, 2)) if _channels_last(backbone) else (1, (2, 3))
        maps = (gradient.mean(places, keepdim=True) * output).sum(channels)
    heat: NDArray[np.float32] = maps.relu().float().cpu().numpy()
    return heat


def _channels_last(backbone: nn.Module) -> bool:
    return getattr(backbone, "output_fmt", "NCHW") == "NHWC"  # timm's Swin, for one
