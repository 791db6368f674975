"""What pictures of predictions say."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from benchmark.data.figures import write_figure
from benchmark.evaluation.pictures import draw_confusion, draw_training
from benchmark.evaluation.predictions import Predictions
from benchmark.training.epochs import EpochResult


def predictions(labels: list[int], predicted: list[int], names: list[str]) -> Predictions:
    probabilities = np.full((len(labels), len(names)), 0.1, np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.9
    return Predictions(
        split="test",
        names=[f"{i}.png" for i in range(len(labels))],
        labels=np.array(labels),
        probabilities=probabilities,
        class_names=names,
    )


def test_the_confusion_matrix_has_counts_and_names() -> None:
    made = predictions([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], ["cat", "dog"])
    axes = draw_confusion(made, "a run").axes[0]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "2", (1, 0): "1", (1, 1): "2"}  # columns are what was predicted
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog"]


def test_a_picture_is_drawn_once_as_matplotlib_saves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = predictions([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], ["cat", "dog"])
    draw_confusion(made, "a run").savefig(tmp_path / "saved.png")
    drawn: list[object] = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *all_: drawn.append(draw(*all_)))
    write_figure(tmp_path / "written.png", lambda: draw_confusion(made, "a run"))
    assert len(drawn) == 1
    saved, written = (Image.open(tmp_path / f"{name}.png") for name in ("saved", "written"))
    np.testing.assert_array_equal(saved, written)


def test_epochs_are_counted_from_1_and_the_best_is_marked() -> None:
    history = [
        EpochResult(
            epoch=epoch,
            train_loss=1.0,
            train_accuracy=0.1 * epoch,
            val_loss=2.0,
            val_accuracy=0.2 * epoch,
            seconds=1.0,
        )
        for epoch in (1, 2, 3)
    ]
    for axes, top in zip(draw_training(history, 2, 3, "a run").axes, (2.0, 0.6), strict=True):
        train, val, best, unfrozen = axes.lines
        for line in (train, val):
            assert np.array(line.get_xdata()).tolist() == [1, 2, 3]
        assert np.array(val.get_ydata())[-1] == pytest.approx(top)
        assert np.array(best.get_xdata()).tolist() == [2, 2]
        assert np.array(unfrozen.get_xdata()).tolist() == [3, 3]


def test_many_classes_are_all_named() -> None:
    names = [f"class {i}" for i in range(60)]
    axes = draw_confusion(predictions(list(range(60)), list(range(60)), names), "a run").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == names
    assert len(axes.texts) == 60


def test_a_great_many_classes_are_colours_alone() -> None:
    names = [f"class {i}" for i in range(301)]
    figure = draw_confusion(predictions(list(range(301)), list(range(301)), names), "a run")
    assert not figure.axes[0].texts
    assert "class 7" not in [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert "classes.json" in figure.axes[0].get_xlabel()
    assert max(figure.get_size_inches()) < 25


def test_names_without_end_leave_room_for_the_matrix(tmp_path: Path) -> None:
    made = predictions([0, 1], [0, 0], ["x" * 220, "[bold]$a_b$"])
    file = tmp_path / "confusion.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "axes sizes collapsed to zero"
        write_figure(file, lambda: draw_confusion(made, "y" * 250))
    blue = np.asarray(Image.open(file).convert("RGB"))
    assert ((blue[..., 2] > 90) & (blue[..., 0] < 20)).mean() > 0.05  # the darkest cell
