"""Turns predictions and training histories into pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix

from benchmark.evaluation.predictions import Predictions
from benchmark.training.trainer import EpochResult

_LABELLED_CLASSES = 40


def draw_confusion(predictions: Predictions, title: str) -> Figure:
    """Draw how often each true class (rows) was taken for each class (columns).

    Rows sum to one. Up to 40 classes are labelled.
    """
    names = predictions.class_names
    matrix = confusion_matrix(
        predictions.labels, predictions.predicted, labels=np.arange(len(names)), normalize="true"
    )
    figure = Figure(figsize=(8, 7.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    if len(names) <= _LABELLED_CLASSES:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    axes.set(
        title=f"{title}\n{predictions.split} split, {len(predictions.labels)} images",
        xlabel="predicted",
        ylabel="true",
    )
    return figure


def draw_training(
    history: Sequence[EpochResult], best_epoch: int, unfrozen: int | None, title: str
) -> Figure:
    """Draw loss and accuracy by epoch.

    Args:
        history: All epochs.
        best_epoch: The one whose weights were kept, from 1; marked.
        unfrozen: The first epoch in which all layers trained, marked too; None for no change.
        title: Above the picture.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    epochs = [result.epoch for result in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split in ("train", "val"):
            values = [getattr(result, f"{split}_{name}") for result in history]
            axes.plot(epochs, values, marker="o", markersize=3, label=split)
        axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
        if unfrozen is not None and unfrozen <= epochs[-1]:
            axes.axvline(unfrozen, color="tab:red", linestyle="--", label="backbone unfrozen")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    figure.axes[1].set_ylim(0, 1)
    return figure
