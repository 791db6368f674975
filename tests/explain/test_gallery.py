from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import Predictions
from benchmark.explain.deletion import Deletion
from benchmark.explain.gallery import (
    MISTAKES,
    STRIP,
    Gallery,
    safe_name,
    shown_positions,
    worst_mistakes,
    write_gallery,
)


def test_the_shown_images_come_of_every_class_first(data: PreparedData) -> None:
    positions = shown_positions(data)
    labels = data.labels[data.rows("test")]
    assert len(set(positions)) == len(positions) == 6  # there are no more
    assert set(labels[positions[:3]]) == {0, 1, 2}
    np.testing.assert_array_equal(positions, shown_positions(data))


def predictions(labels: list[int], confident: list[tuple[int, float]], classes: int) -> Predictions:
    """Predictions by (class, probability); the rest is shared among the others."""
    probabilities: NDArray[np.float32] = np.array(
        [
            [p if k == predicted else (1 - p) / (classes - 1) for k in range(classes)]
            for predicted, p in confident
        ],
        dtype=np.float32,
    )
    return Predictions(
        split="test",
        names=[str(i) for i in range(len(labels))],
        labels=np.array(labels),
        probabilities=probabilities,
        class_names=[f"class {i}" for i in range(classes)],
    )


def test_a_mistake_is_shown_of_each_class_the_most_confident_first() -> None:
    made = predictions(
        labels=[0, 0, 0, 1, 2, 2],
        confident=[(1, 0.6), (2, 0.8), (0, 0.99), (1, 0.7), (0, 0.9), (1, 0.95)],
        classes=3,
    )
    assert worst_mistakes(made).tolist() == [5, 1]  # class 1 has none


def test_many_classes_show_their_most_confident_mistakes_alone() -> None:
    classes = MISTAKES + 5
    confident = [((i + 1) % classes, 0.5 + i / 100) for i in range(classes)]
    worst = worst_mistakes(predictions(list(range(classes)), confident, classes))
    assert worst.tolist() == list(range(classes - 1, 4, -1))


def test_the_strip_shows_pictures_in_their_shape(tmp_path: Path) -> None:
    gallery = Gallery(
        kind="Grad-CAM",
        predictions=predictions([0, 1], [(0, 0.9), (1, 0.8)], 2),
        positions=np.arange(2),
        pixels=np.zeros((2, 32, 32, 3), np.uint8),
        heat=np.ones((2, 32, 32), np.float32),
        sizes=[(200, 100), (100, 100)],
        deletion=Deletion(auc=np.zeros(2), random_auc=np.zeros(2)),
    )
    write_gallery(gallery, tmp_path)
    strip = np.asarray(Image.open(tmp_path / STRIP))
    drawn = (strip != 255).any(axis=2)
    assert strip.shape == (60, 120, 3)
    assert drawn[15:45].all()  # the first is twice as wide as high, and centred
    assert not drawn[:15, :60].any()
    assert not drawn[45:, :60].any()
    assert drawn[:, 60:].all()


def test_names_are_safe_in_files() -> None:
    assert safe_name("Nidoran♀ / a b") == "Nidoran_a_b"
    assert len(safe_name("long" * 60)) < 100
