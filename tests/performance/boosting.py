"""XGBoost by its number of histogram bins, at the study's size: time of a round, and accuracy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from tests.performance.measure import Comparison, Figures, Options, Side, call, compare

BINS = (256, 128, 64, 32)
"""XGBoost's default first."""
DEPTH = 10
FULL = {"images": 10_500, "held_out": 1_500, "classes": 151, "features": 512, "rounds": 10}
SMALL = {"images": 300, "held_out": 100, "classes": 10, "features": 32, "rounds": 5}


def run(options: Options) -> Iterator[Comparison]:
    """Measure the fit alone, its binning included, on drawn embeddings; all get the same ones."""
    size = SMALL if options.small else FULL
    work = "{images:,} x {features}, {classes} classes, {rounds} rounds".format(**size)
    sides = [
        Side(name=f"max_bin {bins}", command=call("boosting:fit", max_bin=bins, **size))
        for bins in BINS
    ]
    yield compare(work, sides, options.repeats, baseline=sides[0].name)


def draw_embeddings(images: int, classes: int, features: int, seed: int) -> tuple[Any, Any]:
    """Draw what embeddings of a trained network look like: clouds of classes behind a ReLU.

    Returns:
        (N, F) embeddings, of which half or more are zero, and (N,) labels.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.normal(loc=-0.5, size=(classes, features))
    labels = rng.permutation(np.arange(images) % classes)
    embeddings = centres[labels] + rng.normal(scale=2.0, size=(images, features))
    return np.maximum(embeddings, 0).astype(np.float32), labels


def fit(max_bin: int, images: int, held_out: int, **shape: int) -> Figures:
    """Fit so many rounds to the train images, and score the others."""
    from registry import heads

    rounds = shape.pop("rounds")
    embeddings, labels = draw_embeddings(images + held_out, seed=0, **shape)
    classifier: Any = heads["xgboost"].factory(
        seed=0, jobs=os.cpu_count() or 1, n_estimators=rounds, max_depth=DEPTH, max_bin=max_bin
    )
    start = time.perf_counter()
    classifier.fit(embeddings[:images], labels[:images])
    seconds = time.perf_counter() - start
    hits = classifier.predict(embeddings[images:]) == labels[images:]
    return {
        "seconds": seconds,
        "seconds_a_round": seconds / rounds,
        "accuracy": float(hits.mean()),
    }
