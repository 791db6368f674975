"""Turns a classifier's predictions of test images into pictures of where it looked."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.figures import label
from benchmark.data.framing import fitted
from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import Predictions
from benchmark.explain.deletion import Deletion
from benchmark.explain.panels import draw_panels, overlay

SHOWN_IMAGES = 8
MISTAKES = 12
STRIP = "strip.png"
"""File with the overlays that all runs show, side by side."""
_STRIP_SIDE = 60
"""In pixels: MLflow folds a description that is higher than this and a line."""
_WEBP_QUALITY = 85
_WEBP_METHOD = 2
"""Half the time of Pillow's 4, for files 3% larger."""
_FILE_NAME = 60
"""So many characters of a class's name are in a file's; MLflow adds its own to them."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """An image that is shown, as explanations.json has it.

    Attributes:
        name: Of the image.
        original: File with the image, in the gallery's folder.
        overlay: File with the image under its heatmap.
        true: Its class.
        predicted: The most probable class, which the heatmap is about.
        probability: Of the predicted class.
        deletion_auc: How fast it falls when the warmest pixels are deleted first; None where it was
            not measured.
        deletion_auc_random: The same in random order.
    """

    name: str
    original: str
    overlay: str
    true: str
    predicted: str
    probability: float
    deletion_auc: float | None = None
    deletion_auc_random: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Test images and where a classifier looked.

    Attributes:
        kind: Of the heatmaps.
        predictions: Of the test split.
        positions: (N,) of the images in the split.
        pixels: (N, S, S, 3), uint8.
        heat: (N, S, S) in [0, 1].
        sizes: (N,) width and height at which each is shown, of at most `PANEL`.
        deletion: Of the first images, which all runs show; the others are mistakes.
    """

    kind: str
    predictions: Predictions
    positions: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32]
    sizes: list[tuple[int, int]]
    deletion: Deletion


def shown_positions(data: PreparedData) -> NDArray[np.int64]:
    """Choose the test images to explain: the same for all runs on the same data and seed.

    Returns:
        Up to eight positions in the test split, of different classes where there are so many.
    """
    labels = data.labels[data.rows("test")]
    order = np.random.default_rng(data.spec.seed).permutation(len(labels))
    _, first_of_class = np.unique(labels[order], return_index=True)
    classes_first = [order[np.sort(first_of_class)], np.delete(order, first_of_class)]
    return np.concatenate(classes_first)[:SHOWN_IMAGES]


def worst_mistakes(predictions: Predictions) -> NDArray[np.int64]:
    """Find the most confident wrong prediction of each true class.

    Returns:
        Up to twelve positions in the split, the most confident first.
    """
    confidence = predictions.probabilities.max(axis=1)
    by_confidence = np.argsort(-confidence, kind="stable")
    wrong = by_confidence[predictions.predicted[by_confidence] != predictions.labels[by_confidence]]
    _, first_of_class = np.unique(predictions.labels[wrong], return_index=True)
    worst: NDArray[np.int64] = wrong[np.sort(first_of_class)][:MISTAKES]
    return worst


def write_gallery(gallery: Gallery, folder: Path) -> dict[str, Image.Image]:
    """Write originals, overlays, a strip of these and explanations.json, and draw captioned panels.

    Args:
        gallery: The images that all runs show, whose files are called alike in all runs, then the
            mistakes.
        folder: Where to; created.

    Returns:
        The panels, as in the study, of the images that all runs show, by names that are alike in
        all runs.
    """
    shown = len(gallery.deletion.auc)
    for name in ("originals", "overlays"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = [f"{i}" if i < shown else f"mistake-{i - shown}" for i in range(len(gallery.positions))]
    with ThreadPoolExecutor() as pool:  # Pillow lets others work while it resizes and encodes
        entries = [*pool.map(partial(_write_image, gallery, folder), range(len(names)), names)]
    content = {
        "kind": gallery.kind,
        "images": [asdict(entry) for entry in entries[:shown]],
        "mistakes": [asdict(entry) for entry in entries[shown:]],
    }
    (folder / "explanations.json").write_text(json.dumps(content, indent=2))
    strip = Image.new("RGB", (shown * _STRIP_SIDE, _STRIP_SIDE), "white")
    for i in range(shown):
        size = fitted(gallery.sizes[i], _STRIP_SIDE)
        left, top = ((_STRIP_SIDE - length) // 2 for length in size)
        picture = overlay(gallery.pixels[i], gallery.heat[i]).resize(size)
        strip.paste(picture, (i * _STRIP_SIDE + left, top))
    strip.save(folder / STRIP)
    panels = {}
    for i, entry in enumerate(entries[:shown]):
        true, predicted = label(entry.true), label(entry.predicted)
        caption = f"True: {true}, Pred: {predicted} ({entry.probability:.0%})"
        image = gallery.pixels[i], gallery.heat[i], gallery.sizes[i]
        panel = draw_panels(*image, gallery.kind, caption, gallery.deletion.told(i))
        panels[Path(entry.original).stem] = panel
    return panels


def _write_image(gallery: Gallery, folder: Path, i: int, prefix: str) -> Explained:
    predictions, position = gallery.predictions, gallery.positions[i]
    true = predictions.class_names[predictions.labels[position]]
    predicted = predictions.predicted[position]
    file = f"{prefix}-{safe_name(true)}.webp"
    pictures = {
        "originals": Image.fromarray(gallery.pixels[i]),
        "overlays": overlay(gallery.pixels[i], gallery.heat[i]),
    }
    longest = min(max(gallery.sizes[i]), gallery.pixels.shape[1])
    for name, picture in pictures.items():
        size = fitted(gallery.sizes[i], longest)
        shown = picture.resize(size, Image.Resampling.BICUBIC)
        shown.save(folder / name / file, quality=_WEBP_QUALITY, method=_WEBP_METHOD)
    measured = {}
    if i < len(gallery.deletion.auc):
        measured = {
            "deletion_auc": round(float(gallery.deletion.auc[i]), 4),
            "deletion_auc_random": round(float(gallery.deletion.random_auc[i]), 4),
        }
    return Explained(
        name=predictions.names[position],
        original=f"originals/{file}",
        overlay=f"overlays/{file}",
        true=true,
        predicted=predictions.class_names[predicted],
        probability=round(float(predictions.probabilities[position, predicted]), 4),
        **measured,
    )


def safe_name(name: str) -> str:
    """Write a name so that it may be part of a file's."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:_FILE_NAME]
