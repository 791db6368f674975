"""Turns a vision transformer's attention into heatmaps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.explain.feature_maps import layout_of
from benchmark.training.network import Network
from registry.checks.maps import is_attention


@torch.no_grad()
def attention_rollout(network: Network, images: Tensor) -> NDArray[np.float32]:
    """Compute attention rollout (Abnar and Zuidema 2020) from the class token to the patches.

    Args:
        network: In evaluation mode, with a ViT of torchvision or timm, with a class token, as its
            backbone.
        images: (N, 3, S, S).

    Returns:
        (N, h, w) over the grid of patches.

    Raises:
        NotImplementedError: The backbone shows no attention, or its patches form no square.
    """
    with _recorded(network.backbone) as attentions:
        network(images)
    if not attentions:
        raise NotImplementedError(
            "attention rollout needs a vision transformer of torchvision or timm"
        )
    identity = torch.eye(attentions[0].shape[-1], device=images.device)
    rollout = identity.expand(len(images), -1, -1)
    for attention in attentions:
        mixed = attention + identity  # the residual connection
        rollout = (mixed / mixed.sum(-1, keepdim=True)) @ rollout
    to_class_token = rollout[:, 0, :, None]
    prefix = getattr(network.backbone, "num_prefix_tokens", None)
    layout = layout_of(to_class_token.shape, 1, prefix)
    if layout is None:
        raise NotImplementedError(f"{to_class_token.shape[1]} tokens form no square of patches")
    heat: NDArray[np.float32] = layout.maps(to_class_token)[:, 0].float().cpu().numpy()
    return heat


def gathers_in_class_token(backbone: nn.Module) -> bool:
    """Whether a class token is all that a transformer of torchvision or timm tells of an image."""
    return hasattr(backbone, "class_token") or getattr(backbone, "global_pool", "") == "token"


@contextmanager
def _recorded(backbone: nn.Module) -> Iterator[list[Tensor]]:
    """Record each block's attention (N, T, T), averaged over its heads."""
    attentions: list[Tensor] = []

    def ask_for_weights(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {**kwargs, "need_weights": True, "average_attn_weights": True}

    def record_torch(module: nn.Module, args: Any, output: tuple[Tensor, Tensor]) -> None:
        attentions.append(output[1])

    def record_timm(module: nn.Module, args: tuple[Tensor]) -> None:
        attentions.append(args[0].mean(1))

    with ExitStack() as stack:
        for module in backbone.modules():
            if isinstance(module, nn.MultiheadAttention):
                handles = [
                    module.register_forward_pre_hook(ask_for_weights, with_kwargs=True),
                    module.register_forward_hook(record_torch),
                ]
            elif is_attention(module):
                # timm's attention passes its weights through attn_drop unless it is fused.
                stack.callback(setattr, module, "fused_attn", module.fused_attn)
                module.fused_attn = False  # type: ignore[assignment]
                handles = [module.attn_drop.register_forward_pre_hook(record_timm)]  # type: ignore[union-attr]
            else:
                continue
            for handle in handles:
                stack.callback(handle.remove)
        yield attentions
