"""Scoring a split of images with a trained network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.performance.images import few_images
from tests.performance.measure import Comparison, Figures, Options, Side, call, compare
from tests.performance.settings import MODELS

PER_CLASS = 60
SPLIT = "train"
"""The largest; to score it is the same work as to score another."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure from the folder of images to class probabilities, without imports."""
    images = few_images(options, PER_CLASS)
    size = 64 if options.small else 128
    for model in MODELS[:1] if options.small else MODELS:
        work = {"model": model, "split": SPLIT, "data": images, "image_size": size}
        sides = [
            Side(name="bench", command=call("inference:bench", **work)),
            Side(name="bench predict", command=call("inference:predict", **work)),
            *(
                Side(
                    name=f"plain, {workers} workers",
                    command=call("plain:inference", workers=workers, epochs=1, **work),
                )
                for workers in (0, 2)
            ),
        ]
        found = compare(f"{model}, {size} px", sides, options.repeats, baseline=None)
        yield found.against_fastest([side.name for side in sides[2:]])


def bench(model: str, split: str, data: str, image_size: int) -> Figures:
    """Score a split from the image store; the first decoding, once for all runs, stands beside."""
    import numpy as np
    import torch

    from benchmark.data.prepared import prepare
    from benchmark.data.sources import open_source
    from benchmark.study.config import Config, DataConfig, TrainConfig
    from benchmark.training.images import image_examples
    from benchmark.training.inference import classify, embed
    from benchmark.training.network import build_network

    config = Config(data=DataConfig(source=data, image_size=image_size))
    home = Path("home")
    start = time.perf_counter()
    source = open_source(config, home)
    prepared = prepare(source, image_size=image_size, seed=0, home=home)
    decoding = time.perf_counter() - start
    torch.manual_seed(0)
    network = build_network(model, "scratch", image_size, len(prepared.class_names))
    start = time.perf_counter()
    examples = image_examples(prepared, torch.device("cpu"))
    rows = torch.from_numpy(np.flatnonzero(prepared.splits == split))
    probabilities = classify(network, embed(network, examples, rows, TrainConfig()))
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "images_per_second": len(probabilities) / seconds,
        "decoding_seconds": decoding,
    }


def predict(model: str, split: str, data: str, image_size: int) -> Figures:
    """Score a split's files as ``bench predict`` does: each is decoded."""
    import torch

    from benchmark.classifier.tracked import TrackedClassifier
    from benchmark.data.prepared import prepare
    from benchmark.data.sources import open_source
    from benchmark.study.config import Config, DataConfig
    from benchmark.training.network import build_network
    from registry import models

    source = open_source(Config(data=DataConfig(source=data, image_size=image_size)), Path("home"))
    prepared = prepare(source, image_size=image_size, seed=0, home=Path("home"))
    paths = {file.name: file.path for file in source.files}
    files = [paths[prepared.samples[row].name] for row in prepared.rows("train")]
    torch.manual_seed(0)
    network = build_network(model, "scratch", image_size, len(prepared.class_names))
    classifier = TrackedClassifier(
        name=model,
        make_explainer=NotImplemented,
        network=network.eval(),
        head=None,
        class_names=prepared.class_names,
        image_size=image_size,
        input=models[model].input,
        precision="auto",
        device=torch.device("cpu"),
    )
    start = time.perf_counter()
    answers = list(classifier.stream(files))
    seconds = time.perf_counter() - start
    assert not any(answer.reason for answer in answers)
    return {"seconds": seconds, "images_per_second": len(answers) / seconds}
