"""Turns predictions into log items, the same for networks and heads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.data.figures import write_figure
from benchmark.evaluation.metrics import score
from benchmark.evaluation.pictures import draw_confusion
from benchmark.evaluation.predictions import Predictions
from benchmark.tracking.items import Artifact, LogItem, metrics


def log_predictions(predictions: Predictions, title: str, scratch: Path) -> Iterator[LogItem]:
    """Score predictions.

    Args:
        predictions: Of the test split.
        title: Above the confusion matrix.
        scratch: Folder for files on their way to MLflow.

    Yields:
        Metrics, the tables and the confusion matrix.
    """
    yield from metrics(score(predictions))
    predictions.save(scratch / "predictions")
    yield Artifact(scratch / "predictions", "predictions")
    write_figure(scratch / "confusion.png", lambda: draw_confusion(predictions, title))
    yield Artifact(scratch / "confusion.png")
