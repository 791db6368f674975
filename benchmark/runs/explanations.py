"""Turns a trained classifier and its test predictions into log items that show where it looked."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import Predictions
from benchmark.explain.deletion import measure_deletion
from benchmark.explain.explainers import Explainer, heatmaps
from benchmark.explain.gallery import (
    STRIP,
    Gallery,
    shown_positions,
    worst_mistakes,
    write_gallery,
)
from benchmark.explain.panels import PANEL
from benchmark.tracking.items import Artifact, Banner, LoggedImage, LogItem, Metric, Tag
from benchmark.training.devices import now
from benchmark.training.images import Examples
from registry.errors import masked, one_line

FOLDER = "explanations"
FAILED = "explanations_failed"
"""Tag with the reason, in one line."""


def log_explanations(
    make: Callable[[], Explainer],
    predictions: Predictions,
    data: PreparedData,
    device: torch.device,
    scratch: Path,
) -> Iterator[LogItem]:
    """Explain the test images that all runs show, and the worst mistakes.

    An explanation that fails costs the pictures and no more: the run has its figures already.

    Args:
        make: Gives the classifier; what goes wrong there goes wrong here.
        predictions: Its own, of the test split.
        data: For names and pixels.
        device: The explainer's.
        scratch: Folder for files on their way to MLflow.

    Yields:
        The pictures, ``deletion_auc``, ``deletion_auc_random`` and ``explain_seconds``; or the tag
        ``no_explanations``, which says why there are none, or ``explanations_failed`` with
        explanations_traceback.txt.
    """
    try:
        items = list(_explained(make(), predictions, data, device, scratch))
    except NotImplementedError as error:
        items = [Tag("no_explanations", one_line(error))]
    except Exception as error:
        file = scratch / "explanations_traceback.txt"
        file.write_text(masked("".join(traceback.format_exception(error))), encoding="utf-8")
        items = [Tag(FAILED, one_line(error)), Artifact(file)]
    yield from items


def _explained(
    explainer: Explainer,
    predictions: Predictions,
    data: PreparedData,
    device: torch.device,
    scratch: Path,
) -> Iterator[LogItem]:
    start = now(device)
    shown = shown_positions(data)
    positions = np.concatenate([shown, worst_mistakes(predictions)])
    rows = data.rows("test")[positions]
    images = Examples(torch.from_numpy(data.images), data, device)
    batch = images.batch(torch.from_numpy(rows))
    classes = predictions.predicted[positions]
    heat = heatmaps(explainer, batch, classes)
    few = slice(len(shown))
    deletion = measure_deletion(explainer.classify, batch[few], classes[few], heat.maps[few])
    gallery = Gallery(
        kind=heat.kind,
        predictions=predictions,
        positions=positions,
        pixels=data.images[rows],
        heat=heat.maps.numpy(),
        deletion=deletion,
        sizes=[data.shown_size(row, PANEL) for row in rows],
    )
    panels = write_gallery(gallery, scratch / FOLDER)
    yield Artifact(scratch / FOLDER, FOLDER)
    yield Banner(f"{FOLDER}/{STRIP}", f"{heat.kind}: where it looked")
    for name, panel in panels.items():
        yield LoggedImage(f"explanation/{name}", panel)
    yield Metric("deletion_auc", float(deletion.auc.mean()))
    yield Metric("deletion_auc_random", float(deletion.random_auc.mean()))
    yield Metric("explain_seconds", now(device) - start)
