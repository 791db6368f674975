"""Turns a trained classifier and its test predictions into log items that show where it looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import Predictions
from benchmark.explain.deletion import deletion_auc, random_deletion_auc
from benchmark.explain.explainers import Explainer, heatmaps
from benchmark.explain.gallery import Gallery, shown_positions, worst_mistakes, write_gallery
from benchmark.tracking.items import Artifact, LoggedImage, LogItem, Metric, Tag
from benchmark.training.devices import now
from benchmark.training.images import Examples

FOLDER = "explanations"


def log_explanations(
    explainer: Explainer,
    predictions: Predictions,
    data: PreparedData,
    device: torch.device,
    scratch: Path,
) -> Iterator[LogItem]:
    """Explain the test images that all runs show, and the worst mistakes.

    Args:
        explainer: The classifier.
        predictions: Its own, of the test split.
        data: For names and pixels.
        device: The explainer's.
        scratch: Folder for files on their way to MLflow.

    Yields:
        The pictures, ``deletion_auc``, ``deletion_auc_random`` and ``explain_seconds``; or a tag
        that says why there are none.
    """
    if explainer.kind is None:
        yield no_explanations("this kind of classifier has none")
        return
    start = now(device)
    shown = shown_positions(data)
    positions = np.concatenate([shown, worst_mistakes(predictions)])
    rows = data.rows("test")[positions]
    images = Examples(torch.from_numpy(data.images), data, device)
    batch = images.batch(torch.from_numpy(rows))
    classes = predictions.predicted[positions]
    try:
        heat = heatmaps(explainer, batch, classes)
    except NotImplementedError as error:
        yield no_explanations(str(error))
        return
    gallery = Gallery(
        kind=explainer.kind,
        predictions=predictions,
        positions=positions,
        pixels=data.images[rows],
        heat=heat.numpy(),
    )
    panels = write_gallery(gallery, len(shown), scratch / FOLDER)
    yield Artifact(scratch / FOLDER, FOLDER)
    for name, panel in panels.items():
        yield LoggedImage(f"explanation/{name}", panel)
    few = slice(len(shown))
    area = deletion_auc(explainer.classify, batch[few], classes[few], heat[few])
    yield Metric("deletion_auc", area)
    random_area = random_deletion_auc(explainer.classify, batch[few], classes[few])
    yield Metric("deletion_auc_random", random_area)
    yield Metric("explain_seconds", now(device) - start)


def no_explanations(reason: str) -> Tag:
    """Say why a run shows none."""
    return Tag("no_explanations", reason)
