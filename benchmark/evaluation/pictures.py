"""Turns predictions and training histories into pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.figures import label
from benchmark.evaluation.predictions import CLASSES_FILE, Predictions
from benchmark.training.epochs import EpochResult
from registry.printable import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = 70
"""So many characters of a run's name stand above a picture."""

_CELL = 0.17
"""Side of a cell of the confusion matrix in inches, at least: its count can be read."""
_NAMED = 300
"""With more classes it has numbers for names and colours for counts: it would take gigabytes."""
_LARGEST, _UNNAMED = 40, 20
"""Its side in inches at most, with names and without."""


def draw_confusion(predictions: Predictions, title: str) -> Figure:
    """Draw how many images of each true class (rows) were taken for each class (columns).

    The colour is the share of the true class, the number how many; none stands for 0. A great many
    classes are shown by colour and place alone; SPLIT.csv has who was taken for what.
    """
    from matplotlib.figure import Figure  # slow to import
    from sklearn.metrics import confusion_matrix

    names = [label(name) for name in predictions.class_names]
    counts = confusion_matrix(
        predictions.labels, predictions.predicted, labels=np.arange(len(names))
    )
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    named = len(names) <= _NAMED
    side = min(max(5.6, _CELL * len(names)), _LARGEST) if named else _UNNAMED
    figure = Figure(figsize=(side + 2.4, side + 1.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    font = min(11.0, max(5.0, 30 * side / len(names)))
    for row, column in np.argwhere(counts) if named else ():
        axes.text(
            column,
            row,
            f"{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=font,
            color="white" if shares[row, column] > 0.5 else "black",
            in_layout=False,  # measuring thousands would take seconds
        )
    if named:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
        axes.set_yticks(range(len(names)), names, fontsize=font)
    axes.set(
        title=f"{shortened(title, TITLE)}\n"
        f"{predictions.split} split, {len(predictions.labels)} images",
        xlabel="predicted" if named else f"predicted, by the order of {CLASSES_FILE}",
        ylabel="true" if named else f"true, by the order of {CLASSES_FILE}",
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
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(shortened(title, TITLE))
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
