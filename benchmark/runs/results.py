"""Turns predictions into log items, the same for networks and heads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.data.figures import write_figure
from benchmark.data.prepared import PreparedData
from benchmark.evaluation.metrics import score
from benchmark.evaluation.pictures import draw_confusion
from benchmark.evaluation.predictions import Predictions
from benchmark.tracking.items import Artifact, LogItem, Metric, metrics


def log_predictions(
    predictions: Predictions, data: PreparedData, title: str, scratch: Path
) -> Iterator[LogItem]:
    """Score predictions.

    Args:
        predictions: Of the test split.
        data: The images.
        title: Above the confusion matrix.
        scratch: Folder for files on their way to MLflow.

    Yields:
        Metrics, with the bounds of the 95% interval of the test accuracy, the tables and the
        confusion matrix. Of data that bring their own parts, also ``test_accuracy_unshared``: on
        the images of which no copy lay in another part.
    """
    yield from metrics(score(predictions))
    yield from _interval(predictions)
    shared = np.array([data.samples[row].shared for row in data.rows("test")])
    if shared.any() and not shared.all():
        yield Metric("test_accuracy_unshared", float(predictions.correct[~shared].mean()))
    predictions.save(scratch / "predictions")
    yield Artifact(scratch / "predictions", "predictions")
    write_figure(scratch / "confusion.png", lambda: draw_confusion(predictions, title))
    yield Artifact(scratch / "confusion.png")


def _interval(predictions: Predictions) -> Iterator[Metric]:
    from benchmark.ranking.statistics import accuracy  # slow to import

    found = accuracy(predictions.correct[None].astype(np.float64), predictions.group_ids)
    yield Metric("test_accuracy_low", found.low)
    yield Metric("test_accuracy_high", found.high)
