"""Measures how well a trained classifier tells pictures that resemble nothing it was trained on.

    uv run python -m tests.performance.unknown --data DIR [--model best]

DIR is the folder that the classifier was trained on some classes of: the others are held out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score

import benchmark as bench
from benchmark.classifier.calibration import LEVEL
from benchmark.classifier.pictures import Picture
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.data.decode import SUFFIXES
from benchmark.data.demo import DemoSpec, write_demo
from benchmark.ranking.statistics import wilson_interval

EACH = 4
"""So many images of each class that is held out."""


def others(known: list[str], data: Path) -> list[Picture]:
    """Images of the classes that were not trained on."""
    folders = [folder for folder in sorted(data.iterdir()) if folder.is_dir()]
    found: list[Picture] = []
    for folder in folders:
        if folder.name not in known:
            found += sorted(folder.iterdir())[:EACH]
    return found


def drawn(folder: Path) -> list[Picture]:
    """Creatures of the demo data."""
    write_demo(DemoSpec(species=20, images_per_species=10), folder)
    files: list[Picture] = [file for file in sorted(folder.rglob("*")) if file.suffix in SUFFIXES]
    return files[:200]


def photographs(rng: np.random.Generator) -> list[Picture]:
    """Square parts of two photographs, which come with scikit-learn."""
    parts: list[Picture] = []
    for photograph in load_sample_images().images:
        for _ in range(60):
            side = int(rng.integers(100, 400))
            top, left = (int(rng.integers(0, length - side)) for length in photograph.shape[:2])
            parts.append(photograph[top : top + side, left : left + side].copy())
    return parts


def noise(rng: np.random.Generator) -> list[Picture]:
    """Noise, fine and coarse, and plain colours."""

    def of(places: int) -> NDArray[np.uint8]:
        squares = rng.integers(0, 256, (places, places, 3), dtype=np.uint8)
        return np.kron(squares, np.ones((200 // places, 200 // places, 1), np.uint8))

    return [of(places) for places in (200, 8, 1) for _ in range(50)]


def probabilities(classifier: TrackedClassifier, pictures: list[Picture]) -> NDArray[np.float32]:
    """(N, C) of those that can be read."""
    answers = classifier.stream(pictures)
    return np.stack([one.probabilities for one in answers if not one.reason])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="best")
    asked = parser.parse_args()
    classifier = bench.load(asked.model)
    calibration = classifier.calibration
    assert calibration is not None
    rng = np.random.default_rng(0)
    stored = bench.predictions(classifier.name)
    test = probabilities(classifier, [asked.data / image for image in stored["image"]])
    p_values = calibration.p_values(test)
    alarms = float((p_values <= LEVEL).mean())
    low, high = wilson_interval(alarms, len(test))
    true = [classifier.class_names.index(label) for label in stored["true"]]
    covered = calibration.sets(test)[np.arange(len(test)), true].mean()
    print(  # noqa: T201
        f"{classifier.name}: {len(calibration.strangeness)} val images, {len(test)} test images, "
        f"{alarms:.1%} of them called unknown ({low:.1%} to {high:.1%}), {covered:.1%} covered"
    )
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            "other classes": others(classifier.class_names, asked.data),
            "drawn creatures": drawn(Path(folder) / "demo"),
            "parts of two photographs": photographs(rng),
            "noise and plain colours": noise(rng),
        }
        for kind, pictures in kinds.items():
            found = calibration.p_values(probabilities(classifier, pictures))
            is_unknown = np.repeat([0, 1], [len(test), len(found)])
            auroc = roc_auc_score(is_unknown, -np.concatenate([p_values, found]))
            share = (found <= LEVEL).mean()
            print(f"{kind}: n {len(found)}, unknown {share:.0%}, AUROC {auroc:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
