"""Turns what a user calls a classifier into the trained classifier, ready for pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.classifier.calibration import Calibration, calibrate
from benchmark.classifier.completed import BEST, backbone_of, find_trained
from benchmark.classifier.network import load_network, read_embeddings
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.evaluation.predictions import CLASSES_FILE, Predictions
from benchmark.explain.explainers import Explainer, HeadExplainer, NetworkExplainer
from benchmark.study.config import Precision
from benchmark.study.inputs import read_input
from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from benchmark.training.heads import HEAD_FILES, load_head
from registry import HeadSpec, InputSpec, heads, models

if TYPE_CHECKING:
    from mlflow.entities import Run

RECORD_FILE = "config.json"


def find_classifier(
    store: Store, name: str = BEST, *, seed: int | None = None, context: str | None = None
) -> TrackedClassifier:
    """Load what `find_trained` finds, which see.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    run = find_trained(store, name, seed=seed, context=context)
    return load_classifier(Tracker(store), run)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run says of itself: what it trained, on which images, shown how, how precisely."""

    system: System
    data: DataSpec
    input: InputSpec
    precision: Precision
    test_flip: bool = False


def read_record(tracker: Tracker, run_id: str) -> Record:
    """Read a completed run's record.

    Raises:
        UserError: It is gone, or of another version.
    """
    with tracker.artifact(run_id, RECORD_FILE) as file:
        return parse_record(file)


def parse_record(file: Path) -> Record:
    """Read a run's record from its file.

    Raises:
        Exception: Of several kinds: it is of another version, or another file.
    """
    settings = json.loads(file.read_text())
    params = tuple((key, value) for key, value in settings["system"]["params"])
    return Record(
        system=System(**{**settings["system"], "params": params}),
        data=DataSpec(**settings["data"]),
        input=read_input(settings),
        precision=settings["train"]["precision"],
        test_flip=bool(settings["train"].get("test_flip")),
    )


def load_classifier(tracker: Tracker, run: Run) -> TrackedClassifier:
    """Load the classifier that a completed run trained and kept.

    Raises:
        UserError: What it kept is gone, or is something else.
    """
    run_id, backbone = run.info.run_id, backbone_of(run)
    record = read_record(tracker, run_id)
    system, data = record.system, record.data
    class_names = _read_classes(tracker, run_id, data.num_classes)
    size = record.input.size or data.image_size
    device = find_device("auto")
    shape = size, data.num_classes
    network = load_network(tracker, backbone, system.backbone, shape, device, record.input)
    model = models[system.model]
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
        image_size=size,
        input=record.input,
        precision=record.precision,
        device=device,
        calibration=_calibration(tracker, run_id),
    )


def _calibration(tracker: Tracker, run_id: str) -> Calibration | None:
    stored = {entry.path for entry in tracker.client.list_artifacts(run_id, "predictions")}
    if "predictions/val.safetensors" not in stored:
        return None
    with tracker.artifact(run_id, "predictions") as folder:
        return calibrate(Predictions.load(folder, "val"))


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
