"""Small studies in a store, made of real predictions, with hostile names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import starmap
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import folder_source
from benchmark.evaluation.metrics import score
from benchmark.evaluation.predictions import Predictions, predict_split
from benchmark.runs.exploration import log_exploration
from benchmark.runs.record import dataset_inputs
from benchmark.tracking.items import Artifact, Metric, Param, metrics
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import Skipped, TrackedRun
from benchmark.tracking.writer import Tracker
from tests.data.images import write_tree

HOSTILE = '<img src=x onerror="alert(1)">'
CLASSES = {HOSTILE: 14, "007": 14, "NA": 14, "a & b": 14}
EPOCHS = 3
AREAS = {0: (0.2, 0.4), 1: (0.5, 0.4)}
"""Deletion AUC of the first images' maps, and in random order; older runs have none."""
ENVIRONMENT = {"classifier-bench": "0.1.0", "torch": "2.9", "python": "3.11", "hardware": "a CPU"}


def make_store(folder: Path) -> Store:
    """An empty store that keeps its artifacts beside it."""
    store = Store(uri=f"sqlite:///{folder}/mlflow.db", experiment="tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", str(folder / "artifacts"))
        Tracker(store)
    return store


def make_data(folder: Path, classes: Mapping[str, int] = CLASSES) -> PreparedData:
    write_tree(folder / "images", classes)
    source = folder_source(folder / "images", name="<monsters>")
    return prepare(source, image_size=32, seed=0, home=folder / "home")


class Study:
    """Logs runs of one context as `bench run` does, without training anything."""

    def __init__(self, store: Store, data: PreparedData, context: str = "aaaa1111") -> None:
        self.tracker = Tracker(store)
        self.data = data
        self.context = context

    def settings(self) -> dict[str, Any]:
        spec = self.data.spec
        return {
            "data.name": spec.name,
            "data.fingerprint": spec.fingerprint,
            "data.image_size": spec.image_size,
            "data.num_classes": spec.num_classes,
            "data.num_images": spec.num_images,
            "data.seed": spec.seed,
            "data.test_images": len(self.data.rows("test")),
            "train.epochs": EPOCHS,
            "train.batch_size": 32,
            "train.freeze_epochs": 1,
            "train.lr": 0.001,
            "seed": 0,
        }

    def start(self, name: str, system: str, group: str, **tags: str) -> TrackedRun:
        model, _, rest = name.partition("-")
        run = self.tracker.start(
            name,
            {
                "spec_id": f"{self.context}-{name}",
                "context": self.context,
                "system": system,
                "group": group,
                "kind": "head" if tags.get("head") else "network",
                "model": model,
                "head": "",
                "weights": "none" if group == "from scratch" else "demo",
                "data": self.data.spec.name,
                "preset": "study",
                "hardware": "a CPU",
                "git_commit": "0123456789abcdef-dirty",
                "study_accuracy": "",
                **tags,
            },
        )
        schedule = rest.partition("/")[0].partition(" ")[0]
        run.log(Param("system.schedule", schedule), *starmap(Param, self.settings().items()))
        run.log_inputs(dataset_inputs(self.data))
        return run

    def predictions(self, skill: float, seed: int) -> Predictions:
        """Random guesses, of which about so many are right, but never the first."""
        rng = np.random.default_rng(seed)
        rows = self.data.rows("test")
        labels = self.data.labels[rows]
        guesses = np.where(
            rng.random(len(rows)) < skill, labels, rng.integers(0, labels.max() + 1, len(rows))
        )
        guesses[0] = (labels[0] + 1) % (labels.max() + 1)
        probabilities = np.full((len(rows), labels.max() + 1), 0.1, np.float32)
        probabilities[np.arange(len(rows)), guesses] += rng.uniform(0.2, 0.6, len(rows))
        return predict_split(self.data, "test", probabilities / probabilities.sum(1, keepdims=True))

    def network(
        self, name: str, system: str, group: str, scratch: Path, *, skill: float, **tags: str
    ) -> str:
        """Log a network with all that a real one logs."""
        with self.start(name, system, group, **tags) as run:
            for epoch in range(1, EPOCHS + 1):
                values = {"loss": 2.0 / epoch, "accuracy": skill * epoch / EPOCHS}
                for split in ("train", "val"):
                    named = {f"{split}_{key}": value for key, value in values.items()}
                    run.log(*metrics(named, step=epoch))
            run.log(
                *metrics(
                    {
                        "best_val_accuracy": skill,
                        "best_epoch": 2.0,
                        "epochs_run": float(EPOCHS),
                        "fit_seconds": 20.0 * skill,
                        "inference_ms": 1.5,
                        "explain_seconds": 0.5,
                        "params_total": 1e6 * (1 + skill),
                        "params_trainable": 1e5,
                        "flops": 1e8 * (1 + skill),
                    }
                )
            )
            predictions = self._results(run, skill, scratch / name)
            self._explain(run, predictions, scratch / name)
        return run.id

    def head(
        self, name: str, system: str, group: str, scratch: Path, *, skill: float, **tags: str
    ) -> str:
        """Log a head, which explains nothing."""
        head = name.partition("/")[2].partition("-")[0]
        trees = name[-3:]
        tags = {"head": head, "head_params": f"n_estimators={trees}", **tags}
        with self.start(name, system, group, **tags) as run:
            run.log(Param("head.n_estimators", trees))
            run.log(Metric("best_val_accuracy", skill), Metric("head_fit_seconds", 1.25))
            run.log(Metric("fit_seconds", 13.25))
            self._results(run, skill, scratch / name)
        return run.id

    def _results(self, run: TrackedRun, skill: float, scratch: Path) -> Predictions:
        predictions = self.predictions(skill, seed=crc32(scratch.name.encode()))
        run.log(*metrics(score(predictions)))
        predictions.save(scratch / "predictions")
        (scratch / "environment.json").write_text(json.dumps(ENVIRONMENT))
        run.log(Artifact(scratch / "predictions", "predictions"))
        run.log(Artifact(scratch / "environment.json"))
        return predictions

    def _explain(self, run: TrackedRun, predictions: Predictions, scratch: Path) -> None:
        folder = scratch / "explanations"
        entries = []
        for i, row in enumerate(predictions.table().head(3).to_dict("records")):
            files = {kind: f"{kind}s/{i}.webp" for kind in ("original", "overlay")}
            for file in files.values():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(self.data.images[i]).save(folder / file)
            facts = {key: row[key] for key in ("true", "predicted", "probability")}
            if areas := AREAS.get(i):
                facts |= dict(zip(("deletion_auc", "deletion_auc_random"), areas, strict=True))
            entries.append({"name": row["image"], **files, **facts})
        mistakes = [entry for entry in entries if entry["true"] != entry["predicted"]]
        content = {"kind": "Grad-CAM", "images": entries, "mistakes": mistakes}
        (folder / "explanations.json").write_text(json.dumps(content))
        run.log(Artifact(folder, "explanations"))

    def fail(self, name: str, system: str, group: str) -> None:
        with (
            pytest.raises(ZeroDivisionError),
            self.start(name, system, group),
        ):
            raise ZeroDivisionError(f"division of {HOSTILE} by zero")

    def skip(self, name: str, system: str, group: str) -> None:
        with pytest.raises(Skipped), self.start(name, system, group):
            raise Skipped("no weights here")


def log_study(store: Store, data: PreparedData, scratch: Path) -> Study:
    """Log networks, heads of both experiments, a tuned head, a failure and a skip."""
    study = Study(store, data)
    log_exploration(data, study.tracker)
    features = {"staged": "ResNet Features", "frozen": "Fine-Tuned ResNet Head Features"}
    study.network(
        "convmixer-scratch",
        "ConvMixer Model",
        "from scratch",
        scratch,
        skill=0.9,
        study_accuracy="0.7109",
    )
    for schedule, group, skill in (
        ("staged", "experiment 1", 0.6),
        ("frozen", "experiment 2", 0.3),
    ):
        name = f"resnet18-{schedule}"
        study.network(name, f"ResNet18 {schedule}", group, scratch, skill=skill)
        for trees in (100, 200):
            study.head(
                f"{name}/extra_trees-n{trees}",
                f"Extra Trees on {features[schedule]}",
                group,
                scratch,
                skill=skill - 0.001 * trees,
                study_accuracy="0.31",
            )
    study.head(
        "resnet18-staged/extra_trees-n777",
        "Extra Trees on ResNet Features",
        "experiment 1",
        scratch,
        skill=0.7,
        tuned="true",
    )
    study.fail("basic_cnn-scratch", "Basic CNN", "from scratch")
    study.skip("vit_b_16-frozen", "ViT", "experiment 2")
    return study
