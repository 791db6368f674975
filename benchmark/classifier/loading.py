"""Turns what a user calls a classifier into the trained classifier, ready for pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.classifier.calibration import Calibration, calibrate
from benchmark.classifier.completed import backbone_of, find_trained, stored_predictions
from benchmark.classifier.network import load_network, read_embeddings
from benchmark.classifier.record import read_record
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.evaluation.predictions import CLASSES_FILE
from benchmark.explain.explainers import Explainer, HeadExplainer, NetworkExplainer
from benchmark.ranking.systems import BEST
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from benchmark.training.heads import HEAD_FILES, load_head
from registry import HeadSpec, heads, models

if TYPE_CHECKING:
    from mlflow.entities import Run


def find_classifier(
    store: Store, name: str = BEST, *, seed: int | None = None, context: str | None = None
) -> TrackedClassifier:
    """Load what `find_trained` finds, which see.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    run = find_trained(store, name, seed=seed, context=context)
    return load_classifier(Tracker(store), run)


def load_classifier(tracker: Tracker, run: Run) -> TrackedClassifier:
    """Load the classifier that a completed run trained and kept.

    Raises:
        UserError: What it kept is gone, or is something else.
    """
    run_id, backbone = run.info.run_id, backbone_of(run)
    record = read_record(tracker, run_id)
    system, model = record.system, models[record.system.model]
    class_names = _read_classes(tracker, run_id, record.data.num_classes)
    device = find_device("auto")
    network = load_network(tracker, backbone, device)
    head: tuple[HeadSpec, Any] | None = None
    if system.head is not None:
        kept = {entry.path for entry in tracker.client.list_artifacts(run_id)}
        file_name = next((name for name in HEAD_FILES if name in kept), HEAD_FILES[0])
        with tracker.artifact(run_id, file_name) as file:
            head = heads[system.head], load_head(system.head, file, dict(system.params))

    def make_explainer() -> Explainer:
        if head is None:
            return NetworkExplainer(network, model, record.precision)
        embeddings, _ = read_embeddings(tracker, backbone)
        mean = embeddings.mean(0)
        return HeadExplainer(network, model, head[1], head[0], mean, record.precision)

    return TrackedClassifier(
        name=str(run.info.run_name),
        make_explainer=make_explainer,
        network=network,
        head=head,
        class_names=class_names,
        image_size=record.image_size,
        input=record.input,
        precision=record.precision,
        device=device,
        calibration=_calibration(tracker, run_id),
    )


def _calibration(tracker: Tracker, run_id: str) -> Calibration | None:
    stored = {entry.path for entry in tracker.client.list_artifacts(run_id, "predictions")}
    if "predictions/val.safetensors" not in stored:
        return None
    return calibrate(stored_predictions(tracker, run_id, "val"))


def _read_classes(tracker: Tracker, run_id: str, count: int) -> list[str]:
    with tracker.artifact(run_id, f"predictions/{CLASSES_FILE}") as file:
        return parse_classes(file, count)


def parse_classes(file: Path, count: int) -> list[str]:
    """Read the names of so many classes.

    Raises:
        ValueError: The file names others.
    """
    names = json.loads(file.read_text())
    if not isinstance(names, list) or len({*map(str, names)}) != count:
        raise ValueError(f"it does not name {count} classes")
    return [*map(str, names)]
