"""Turns a model's explanation into nothing if it finds what it needs, else into what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.checks.made import Made
from registry.core import near

if TYPE_CHECKING:
    from torch import nn


def shows_where_it_looked(made: Made) -> None:
    """Its explanation finds what it needs: a layer with feature maps, or attention."""
    spec, backbone = made.spec, made.backbone
    if spec.explanation == "attention" and not any(map(is_attention, backbone.modules())):
        raise made.fail(
            "explanation='attention' needs torch's nn.MultiheadAttention or timm's Attention; "
            "write explanation='gradcam' or None"
        )
    if spec.explanation != "gradcam":
        return
    if spec.cam_layer is None:
        if not any(_is_convolution(module) for module in backbone.modules()):
            raise made.fail(
                "Grad-CAM finds no convolution; name a layer in cam_layer=..., or write "
                "explanation=None"
            )
        return
    layers = dict(backbone.named_modules())
    if spec.cam_layer not in layers or not spec.cam_layer:
        known = near(spec.cam_layer, filter(None, layers))
        raise made.fail(f"cam_layer={spec.cam_layer!r} is no layer; {known}")
    outputs = _outputs(made, layers[spec.cam_layer])
    if len(outputs) != 1:
        raise made.fail(
            f"cam_layer={spec.cam_layer!r} is run {len(outputs)} times for each batch; name a "
            "layer that is run once"
        )
    shape = tuple(getattr(outputs[0], "shape", ()))
    if len(shape) not in (3, 4) or shape[2:] == (1, 1):
        raise made.fail(
            f"cam_layer={spec.cam_layer!r} gives {shape}, no maps of more than one place; name an "
            "earlier layer"
        )


def is_attention(module: nn.Module) -> bool:
    """Whether a module is attention as torch or timm writes it."""
    from torch import nn

    timm = hasattr(module, "fused_attn") and hasattr(module, "attn_drop")
    return timm or isinstance(module, nn.MultiheadAttention)


def _is_convolution(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, nn.Conv2d)


def _outputs(made: Made, layer: nn.Module) -> list[Any]:
    """What a layer gives each time that it is run for a batch."""
    outputs: list[Any] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        outputs.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        made.embed(made.images)
    finally:
        handle.remove()
    return outputs
