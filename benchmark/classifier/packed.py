"""Turns a trained classifier into a folder that stands alone, without a store, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.classifier.calibration import calibrate
from benchmark.classifier.completed import backbone_of
from benchmark.classifier.loading import parse_classes
from benchmark.classifier.network import WEIGHTS_FILE, read_network
from benchmark.classifier.record import RECORD_FILE, parse_record
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.evaluation.predictions import CLASSES_FILE, Predictions
from benchmark.explain.explainers import Explainer, NetworkExplainer
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from benchmark.training.heads import HEAD_FILES, load_head
from registry import HeadSpec, heads, models
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

VERSION = 1
"""Raise it when a folder would be read in another way."""
_ABOUT = "packed.json"
_VALIDATION = ("val.csv", "val.safetensors", CLASSES_FILE)


def pack(tracker: Tracker, run: Run, folder: Path) -> None:
    """Copy all that a completed run's classifier takes into a folder.

    Args:
        tracker: Of the store.
        run: It kept its weights; see `find_trained`.
        folder: Where to; it is made.

    Raises:
        UserError: Something is gone.
    """
    folder.mkdir(parents=True)
    run_id = run.info.run_id
    stored = {entry.path for entry in tracker.client.list_artifacts(run_id)}
    files = {RECORD_FILE: run_id, WEIGHTS_FILE: backbone_of(run)}
    files |= {name: run_id for name in HEAD_FILES if name in stored}
    files |= {f"predictions/{name}": run_id for name in _VALIDATION}
    for name, owner in files.items():
        with tracker.artifact(owner, name) as file:
            shutil.copyfile(file, folder / Path(name).name)
    about = {"version": VERSION, "name": run.info.run_name, "run_id": run_id}
    (folder / _ABOUT).write_text(json.dumps(about, indent=2))


def open_packed(folder: Path) -> TrackedClassifier:
    """Load the classifier of a folder that `pack` made.

    Raises:
        UserError: It was made by another version.
    """
    about = json.loads((folder / _ABOUT).read_text())
    if about["version"] != VERSION:
        raise UserError(
            f"{folder} was packed by another version of bench ({about['version']}, this one reads "
            f"{VERSION}); register {about['name']} again"
        )
    record = parse_record(folder / RECORD_FILE)
    system = record.system
    device = find_device("auto")
    network = read_network(folder / WEIGHTS_FILE, record).to(device)
    head: tuple[HeadSpec, Any] | None = None
    if system.head is not None:
        file = next(folder / name for name in HEAD_FILES if (folder / name).exists())
        head = heads[system.head], load_head(system.head, file, dict(system.params))

    def make_explainer() -> Explainer:
        if head is not None:
            raise NotImplementedError("a packed head shows no maps: it has no mean embedding")
        return NetworkExplainer(network, models[system.model], record.precision)

    return TrackedClassifier(
        name=about["name"],
        make_explainer=make_explainer,
        network=network,
        head=head,
        class_names=parse_classes(folder / CLASSES_FILE, record.data.num_classes),
        image_size=record.image_size,
        input=record.input,
        precision=record.precision,
        device=device,
        calibration=calibrate(Predictions.load(folder, "val")),
    )
