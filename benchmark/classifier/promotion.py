"""Turns a run and a registered model's champion into a proof that the run is as good, or a no."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.classifier import pyfunc_model
from benchmark.classifier.completed import stored_predictions
from benchmark.classifier.loading import load_classifier
from benchmark.classifier.packed import pack
from benchmark.classifier.record import Record, read_record
from benchmark.evaluation.predictions import Predictions
from benchmark.ranking.statistics import ALPHA, accuracy, p_value
from benchmark.study.suite import System
from benchmark.tracking.registered import add_version, champion_of, log_model, promote
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry import HeadSpec, ModelSpec, heads, models
from registry.code import module_of
from registry.errors import UserError, one_line
from registry.printable import marked

if TYPE_CHECKING:
    from mlflow.entities import Run

_FIGURES = (
    "best_val_accuracy",
    "test_macro_f1",
    "test_top5_accuracy",
    "test_calibration_error",
    "inference_ms",
    "size_mb",
)
"""Of the run, on its card besides the test accuracy."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version of a registered model that is its champion now.

    Attributes:
        name: Of the model.
        version: MLflow's number.
        told: How it compares with the champion before.
        is_new: Whether it was made just now: a run that is champion already is not registered anew.
    """

    name: str
    version: str
    told: str
    is_new: bool


def register(store: Store, run: Run, name: str, *, force: bool) -> Registered:
    """Register a completed run's classifier and make it the champion, if it is as good as that.

    Args:
        store: Where runs are tracked and models registered.
        run: It kept its weights; see `find_trained`.
        name: Of the model.
        force: Whether to promote it without proof.

    Raises:
        UserError: It is worse than the champion, cannot be compared, or not be loaded; nothing is
            registered.
    """
    tracker = Tracker(store)
    predictions = stored_predictions(tracker, run.info.run_id, "test")
    record = read_record(tracker, run.info.run_id)
    champion = champion_of(store, name)
    if champion is not None and champion[1] == run.info.run_id:
        told = f"{run.info.run_name} is the champion already"
        return Registered(name=name, version=champion[0], told=told, is_new=False)
    told, proven = "there was no champion before it", True
    if champion is not None:
        told, proven = _compared(tracker, run.info.run_id, champion[1])
        told = f"{told} (models:/{name}/{champion[0]})"
    if not proven and not force:
        raise UserError(
            f"{run.info.run_name} is not promoted to models:/{name}: {told}; --force promotes it"
        )
    load_classifier(tracker, run)  # whoever asks for the champion can load it
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / pyfunc_model.FOLDER
        pack(tracker, run, packed)
        log_model(tracker, run, packed, Path(pyfunc_model.__file__), _plugins_of(record.system))
    version = add_version(
        tracker,
        run,
        name,
        card=card(run, record, predictions, told),
        tags={
            "run": str(run.info.run_name),
            "context": run.data.tags["context"],
            "data": record.data.name,
            "data_fingerprint": record.data.fingerprint,
            "test_accuracy": f"{float(predictions.correct.mean()):.4f}",
        },
    )
    promote(tracker, name, version)
    return Registered(name=name, version=version, told=told, is_new=True)


def _plugins_of(system: System) -> list[str]:
    """The modules of plugins whose code a classifier is made of."""
    parts: list[ModelSpec | HeadSpec] = [models[system.model]]
    if system.head is not None:
        parts.append(heads[system.head])
    return [module_of(part.factory) for part in parts if part.of_plugin]


def _compared(tracker: Tracker, run_id: str, champion: str) -> tuple[str, bool]:
    """Compare as far as the champion's run is there, and is one of bench's."""
    from mlflow.exceptions import MlflowException

    try:
        return compare(tracker, run_id, champion)
    except (UserError, MlflowException) as error:
        return f"it cannot be compared with the champion: {one_line(error)}", False


def compare(tracker: Tracker, run_id: str, champion: str) -> tuple[str, bool]:
    """Compare two runs in pairs on the same test images, by the test that `p_value` names.

    Returns:
        What came out, in words, and whether the first is better than the second or tied with it.
    """
    new, old = (stored_predictions(tracker, one, "test") for one in (run_id, champion))
    records = [read_record(tracker, one).data for one in (run_id, champion)]
    if records[0].content != records[1].content or new.names != old.names:
        return "it was tested on other images than the champion, so that nothing is proven", False
    right, other = (one.correct[None].astype(float) for one in (new, old))
    p = p_value(right, other, new.group_ids)
    shares = float(right.mean()), float(other.mean())
    verdict = "tied" if p >= ALPHA else "better" if shares[0] > shares[1] else "worse"
    told = (
        f"{verdict}: {shares[0]:.2%} against the champion's {shares[1]:.2%} of the same "
        f"{len(new.names):,} test images, p = {p:.2g}"
    )
    return told, verdict != "worse"


def card(run: Run, record: Record, predictions: Predictions, told: str) -> str:
    """What people should know of a model, in Markdown."""
    tags, figures = run.data.tags, run.data.metrics
    found = accuracy(predictions.correct[None].astype(float), predictions.group_ids)
    listed = [f"- {name}: {figures[name]:.4g}" for name in _FIGURES if name in figures]
    return "\n".join(
        [
            f"**{marked(tags.get('system', ''))}** (`{run.info.run_name}`, {told})",
            "",
            f"Test accuracy {found.mean:.2%} (95% interval {found.low:.2%} to {found.high:.2%}, "
            f"{found.images:,} test images).",
            "",
            *listed,
            "",
            f"Data {marked(record.data.name)}, fingerprint `{record.data.fingerprint}`, "
            f"{record.data.num_images:,} images; seed {run.data.params.get('seed', '?')}, context "
            f"`{tags['context']}`.",
            "",
            "It takes the bytes of picture files (column `image`) and makes squares of "
            f"{record.image_size} pixels of them as in training: turned by EXIF, transparency on "
            "white.",
            "",
            f"{len(predictions.class_names)} classes: {marked(', '.join(predictions.class_names))}",
        ]
    )
