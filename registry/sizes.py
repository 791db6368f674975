"""Turns a model and an image size into nothing where they fit, else into sizes that do."""

from __future__ import annotations

import warnings
from typing import Any

from registry.errors import PluginError, UserError, one_line
from registry.specs import ModelSpec

STEPS = (10, 14, 16, 32, 64, 128)
"""Whatever patches, strides and windows a network has, some multiple of one of these suits it."""
SMALLEST = 16
_NEAREST = 3


def check_size(spec: ModelSpec, image_size: int) -> None:
    """Send two images through a model to see that it takes their size.

    They have a shape and no values, as far as the model's code can do with that.

    Args:
        spec: The model.
        image_size: Side of the images in pixels.

    Raises:
        UserError: It does not take them; names the nearest sizes that it takes.
        PluginError: A plugin's model fails at every size, or its embeddings are not as promised.
    """
    refusal = _refusal(spec, image_size)
    if refusal is None:
        return
    if isinstance(refusal, UserError):  # the factory names sizes itself
        raise refusal
    told = f"{spec.name} takes no images of {image_size} x {image_size} pixels"
    if sizes := _fitting(spec, image_size):
        raise UserError(
            f"{told}, but of {' or '.join(map(str, sizes))}: --set data.image_size={sizes[0]}"
        ) from refusal
    if isinstance(refusal, PluginError):
        raise refusal
    raise UserError(f"{told}, nor of others that were tried ({one_line(refusal)})") from refusal


def _fitting(spec: ModelSpec, image_size: int) -> list[int]:
    """The nearest sizes that fit, one below and one above."""
    nearest = {
        step * (image_size // step + i) for step in STEPS for i in range(-_NEAREST, _NEAREST + 1)
    }
    ordered = sorted(nearest, key=lambda size: abs(size - image_size))
    sides = (
        [size for size in ordered if SMALLEST <= size < image_size],
        [size for size in ordered if size > image_size],
    )
    for device in ("meta", "cpu"):
        fits = [next((s for s in side if not _error(spec, s, device)), None) for side in sides]
        if found := [size for size in fits if size is not None]:
            return found
    return []


def _refusal(spec: ModelSpec, image_size: int) -> Exception | None:
    """Why a model does not take a size; what fails without values is tried with them."""
    return _error(spec, image_size, "meta") and _error(spec, image_size, "cpu")


def _error(spec: ModelSpec, image_size: int, device: str) -> Exception | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            _try(spec, image_size, device)
    except Exception as error:  # whatever a model's code raises
        return error
    return None


def _try(spec: ModelSpec, image_size: int, device: str) -> None:
    import torch

    with torch.device(device), torch.inference_mode(), spec.code():
        backbone: Any = spec.make(image_size).eval()
        features = backbone.forward_features(torch.zeros(2, 3, image_size, image_size))
        found = tuple(backbone.forward_head(features, pre_logits=True).shape)
        if found != (2, backbone.num_features):
            raise PluginError(
                f"model {spec.name}: forward_head makes embeddings {found} of two images, where "
                f"num_features={backbone.num_features} promises (2, {backbone.num_features})"
            )
