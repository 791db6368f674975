"""Turns the spec of a head's run into a fitted head and a stream of log items."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.classifier.network import load_network, read_embeddings
from benchmark.data.prepared import PreparedData
from benchmark.evaluation.metrics import score
from benchmark.evaluation.predictions import Predictions, predict_split
from benchmark.explain.explainers import HeadExplainer
from benchmark.runs.explanations import log_explanations
from benchmark.runs.kept_weights import keeps
from benchmark.runs.options import RunOptions
from benchmark.runs.results import log_predictions
from benchmark.study.plan import RunSpec
from benchmark.tracking.items import Artifact, LogItem, Metric, Param, Tag, metrics
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import PeakMemory, find_device
from benchmark.training.heads import (
    fit_head,
    head_bytes,
    head_probabilities,
    predict_held_out,
    save_head,
)
from benchmark.training.network import Network
from registry import heads, models
from registry.errors import PluginError, one_line
from registry.specs import HeadSpec


def run_head(
    spec: RunSpec, options: RunOptions, data: PreparedData, tracker: Tracker, scratch: Path
) -> Iterator[LogItem]:
    """Fit a head to its backbone's embeddings of the train split, and score it.

    Args:
        spec: Which head; its backbone's run is completed.
        options: Where and how.
        data: For labels and splits.
        tracker: Finds the backbone's embeddings.
        scratch: Folder for files on their way to MLflow.

    Yields:
        All that is to be tracked. The times of fitting and of a prediction include the backbone's.
    """
    system = spec.system
    assert system.head is not None
    kind = heads[system.head]
    run_id = tracker.find_completed({"spec_id": spec.needs[0], "embeddings": "kept"})
    assert run_id is not None, f"{spec.name} was started before its backbone"
    embeddings, backbone_ms = read_embeddings(tracker, run_id)
    backbone_seconds = tracker.read_metric(run_id, "fit_seconds")
    backbone_mb = tracker.read_metric(run_id, "size_mb")
    yield Tag("backbone_run_id", run_id)
    yield Param("embedding_size", embeddings.shape[1])

    device = find_device(options.device)
    memory = PeakMemory(torch.device("cpu"))
    train = data.rows("train")
    make: Callable[[], Any] = partial(
        kind.make, seed=spec.seed, jobs=options.threads, device=str(device), **dict(system.params)
    )
    start = time.perf_counter()
    head = fit_head(kind, make(), embeddings[train], data.labels[train])
    own_seconds = time.perf_counter() - start
    yield Metric("head_fit_seconds", own_seconds)
    yield Metric("fit_seconds", own_seconds + backbone_seconds)
    if spec.id in options.save_train_predictions:
        yield from _taught(kind, make, embeddings, data, spec.seed, scratch)
    validation = yield from _validated(head, kind, embeddings, data, scratch)
    predictions, own_ms = _tested(head, kind, embeddings, data)
    yield Metric("inference_ms", backbone_ms + own_ms)
    yield Metric("size_mb", backbone_mb + head_bytes(kind, head) / 1e6)
    yield from metrics(memory.metrics())
    yield from log_predictions(predictions, data, spec.heading, scratch)
    if options.explain:

        def explainer() -> HeadExplainer:
            network = _kept_backbone(spec, run_id, tracker, device)
            model, mean = models[system.model], embeddings.mean(0)
            return HeadExplainer(network, model, head, kind, mean, spec.train.precision)

        yield from log_explanations(explainer, predictions, data, device, scratch)

    yield from _described(head, kind)
    val_accuracy = score(validation)["val_accuracy"]
    tags = [*keeps(spec, options, val_accuracy, len(validation.labels))]
    if tags:
        yield from _saved(head, kind, tags, scratch, wanted=spec.id in options.save_weights)


def _taught(
    kind: HeadSpec,
    make: Callable[[], Any],
    embeddings: NDArray[np.float32],
    data: PreparedData,
    seed: int,
    scratch: Path,
) -> Iterator[LogItem]:
    """Keep what heads say of train images that they were not fitted to, for networks to learn."""
    train = data.rows("train")
    held_out = predict_held_out(kind, make, embeddings[train], data.labels[train], seed)
    predict_split(data, "train", held_out).save(scratch / "predictions")
    yield Tag("train_predictions", "kept")


def _described(head: Any, kind: HeadSpec) -> Iterator[LogItem]:
    """Count what a fitted head is made of, if its kind says how."""
    if kind.describe is not None:
        with kind.code():
            size = kind.describe(head)
        yield from metrics(size)


def _validated(
    head: Any, kind: HeadSpec, embeddings: NDArray[np.float32], data: PreparedData, scratch: Path
) -> Generator[LogItem, None, Predictions]:
    """Score the val split, keep what was predicted, and return it."""
    val = embeddings[data.rows("val")]
    probabilities = head_probabilities(kind, head, val, data.spec.num_classes)
    validation = predict_split(data, "val", probabilities)
    validation.save(scratch / "predictions")
    scores = score(validation)
    yield from metrics(scores)
    yield Metric("best_val_accuracy", scores["val_accuracy"])
    return validation


def _tested(
    head: Any, kind: HeadSpec, embeddings: NDArray[np.float32], data: PreparedData
) -> tuple[Predictions, float]:
    """Predict the test split, and time an image of it (ms)."""
    test = data.rows("test")
    start = time.perf_counter()
    probabilities = head_probabilities(kind, head, embeddings[test], data.spec.num_classes)
    milliseconds = 1000 * (time.perf_counter() - start) / len(test)
    return predict_split(data, "test", probabilities), milliseconds


def _saved(
    head: Any, kind: HeadSpec, tags: list[Tag], scratch: Path, *, wanted: bool
) -> Iterator[LogItem]:
    """Save a fitted head; one that cannot be is no failure unless somebody asked for it.

    Raises:
        PluginError: It was asked for.
    """
    try:
        with kind.code():
            file = save_head(head, scratch)
    except PluginError as error:
        if wanted:
            raise
        yield Tag("no_weights", one_line(error))
    else:
        yield Artifact(file)
        yield from tags


def _kept_backbone(spec: RunSpec, run_id: str, tracker: Tracker, device: torch.device) -> Network:
    """Load the network that made the embeddings.

    Raises:
        NotImplementedError: Its run did not keep its weights.
    """
    kept = {"spec_id": spec.needs[0], "embeddings": "kept", "weights_file": "kept"}
    if tracker.find_completed(kept) != run_id:
        raise NotImplementedError("the backbone's weights were not kept")
    return load_network(tracker, run_id, device)
