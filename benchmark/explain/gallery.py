"""Turns a trained network and a few fixed test images into captioned overlays."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmark.data.prepared import PreparedData
from benchmark.explain.attention import attention_rollout
from benchmark.explain.gradcam import find_cam_layer, gradcam
from benchmark.training.images import Examples
from benchmark.training.network import Network
from registry.specs import ModelSpec

SHOWN_IMAGES = 6
PANEL = 240
"""Side of a panel in pixels."""
OVERLAY_OPACITY = 0.5
_CAPTION = 26
_KINDS = {"gradcam": "Grad-CAM", "attention": "ViT Attention"}


def shown_rows(data: PreparedData) -> NDArray[np.int64]:
    """Choose the test images to explain: the same for all runs on the same data and seed.

    Returns:
        Up to six rows, of different classes where there are so many.
    """
    rows = data.rows("test")
    order = np.random.default_rng(data.spec.seed).permutation(rows)
    _, first_of_class = np.unique(data.labels[order], return_index=True)
    classes_first = np.concatenate(
        [order[np.sort(first_of_class)], np.delete(order, first_of_class)]
    )
    return classes_first[:SHOWN_IMAGES]


def explain(network: Network, model: ModelSpec, images: Tensor, classes: Tensor) -> Tensor:
    """Compute heatmaps by the model's kind of explanation.

    Args:
        network: Trained.
        model: Names the kind, and the layer for Grad-CAM.
        images: (N, 3, S, S) in [0, 1].
        classes: (N,) the classes to explain.

    Returns:
        (N, S, S), each scaled to [0, 1].
    """
    network.eval()
    if model.explanation == "attention":
        heat = attention_rollout(network, images)
    else:
        layer = find_cam_layer(network, model.cam_layer)
        with torch.enable_grad():
            heat = gradcam(network, layer, images, classes)
    maps = torch.nn.functional.interpolate(
        torch.from_numpy(heat)[:, None], size=images.shape[-2:], mode="bilinear"
    )[:, 0]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)


def write_gallery(
    network: Network, model: ModelSpec, data: PreparedData, images: Examples, folder: Path
) -> None:
    """Draw original and overlay of the chosen test images, captioned as in the study.

    The PNG files are called alike for all runs on the same data, so that MLflow compares them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = shown_rows(data)
    batch = images.batch(torch.from_numpy(rows))
    with torch.no_grad():
        probabilities = network.eval()(batch).softmax(1)
    confidence, predicted = probabilities.max(1)
    heat = explain(network, model, batch, predicted).numpy()
    assert model.explanation is not None
    for i, row in enumerate(rows):
        true = data.class_names[data.labels[row]]
        path = folder / f"{i}-{re.sub(r'[^A-Za-z0-9]+', '_', true)}.png"
        caption = f"True: {true}, Pred: {data.class_names[int(predicted[i])]} ({confidence[i]:.0%})"
        draw_panels(data.images[row], heat[i], _KINDS[model.explanation], caption).save(path)


def draw_panels(
    pixels: NDArray[np.uint8], heat: NDArray[np.float32], kind: str, caption: str
) -> Image.Image:
    """Put an image and its overlay side by side under their captions.

    Args:
        pixels: (S, S, 3).
        heat: (S, S) in [0, 1].
        kind: Caption of the overlay.
        caption: Line above both.
    """
    original = Image.fromarray(pixels)
    colours = (colormaps["jet"](heat)[..., :3] * 255).astype(np.uint8)
    overlay = Image.blend(original, Image.fromarray(colours), OVERLAY_OPACITY)
    canvas = Image.new("RGB", (2 * PANEL, PANEL + 2 * _CAPTION), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(15)
    draw.text((PANEL, _CAPTION / 2), caption, "black", font, anchor="mm")
    for i, (panel, title) in enumerate(((original, "Original Image"), (overlay, kind))):
        centre = i * PANEL + PANEL / 2
        draw.text((centre, 1.5 * _CAPTION), title, "dimgrey", font, anchor="mm")
        resized = panel.resize((PANEL, PANEL), Image.Resampling.BICUBIC)
        canvas.paste(resized, (i * PANEL, 2 * _CAPTION))
    return canvas
