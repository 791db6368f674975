"""Turns a trained classifier into files for other programs, compared with what bench says."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from benchmark.classifier.calibration import LEVEL, Calibration
from benchmark.classifier.completed import stored_predictions
from benchmark.classifier.loading import load_classifier
from benchmark.classifier.network import read_network
from benchmark.classifier.onnx_graph import Graph, network_graph, open_onnx, with_head
from benchmark.classifier.record import Record, read_record
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import Predictions
from benchmark.processes.leftovers import rewriting
from benchmark.processes.permissions import usual_permissions
from benchmark.tracking.writer import Tracker
from benchmark.training.heads import head_probabilities, load_head, save_head
from benchmark.training.inference import inference_batch
from registry import models
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

Format = Literal["onnx", "torchscript", "safetensors"]
Answers: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Probabilities (N, C), and embeddings (N, F)."""
Exported: TypeAlias = Callable[[NDArray[np.uint8]], Answers]
"""A file at work: pixels (N, S, S, 3), RGB -> its answers."""
EXACT = 1e-4
"""By so much probabilities may differ, of the same embeddings where a head tells them, and
embeddings, as a share of the largest number in them: rounding takes 2e-6 of it."""
ALL_FILES = (
    "model.json",
    "model.onnx",
    "model.pt",
    "model.safetensors",
    "head.skops",
    "head.ubj",
)
"""What an export is made of, each format of some."""
TIMED = 64
"""How many images are timed one at a time."""


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """What an exported file says of the test split, beside what bench says in float32.

    Attributes:
        images: How many.
        largest_difference: Of a probability.
        changed_labels: How many images have another most probable class.
        ties: How many of these had two classes that were as probable as each other.
        changed_since_run: How many have another than the run itself stored.
        milliseconds: An image's, in batches and alone, of the file.
        own_milliseconds: The same of bench.
    """

    images: int
    largest_difference: float
    changed_labels: int
    ties: int
    changed_since_run: int
    milliseconds: tuple[float, float]
    own_milliseconds: tuple[float, float]


def export(tracker: Tracker, run: Run, format_: Format, folder: Path, home: Path) -> ExportCheck:
    """Write the files of a completed run's classifier, and compare what they say.

    Files of an earlier export in the folder, which describe another classifier, are removed.

    Args:
        tracker: Of the store.
        run: It kept its weights; see `find_trained`.
        format_: Of the files.
        folder: Where to; it is made.
        home: Of the decoded images.

    Raises:
        UserError: The format cannot hold this classifier exactly, or the test images are gone.
    """
    record = read_record(tracker, run.info.run_id)
    pixels, stored = _test_images(tracker, run, record, home)
    loaded = load_classifier(tracker, run)
    cpu = torch.device("cpu")
    own = replace(loaded, network=deepcopy(loaded.network).to(cpu), device=cpu, precision="float32")
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch)
        with models[record.system.model].code(called_directly=False):
            exported = WRITERS[format_](own, record, written)
        found = compare(own, exported, pixels, stored)
        description = _description(own, run, record, found)
        (written / "model.json").write_text(json.dumps(description, indent=2))
        with ExitStack() as stack:  # none of them while one may not fit
            for file in sorted(written.iterdir()):
                shutil.copyfile(file, stack.enter_context(rewriting(folder / file.name)))
        for name in ALL_FILES:
            if not (written / name).exists():
                (folder / name).unlink(missing_ok=True)
    return found


def _test_images(
    tracker: Tracker, run: Run, record: Record, home: Path
) -> tuple[NDArray[np.uint8], Predictions]:
    stored = stored_predictions(tracker, run.info.run_id, "test")
    try:
        data = PreparedData(record.data, home, record.input)
        return data.images[data.rows("test")], stored
    except FileNotFoundError as error:
        raise UserError(
            f"the test images of {run.info.run_name} are not in {home}, and no export is without "
            "its check; to decode them again, type once more the bench run command that made it"
        ) from error


def _write_onnx(classifier: TrackedClassifier, record: Record, folder: Path) -> Exported:
    import onnx

    graph = network_graph(classifier.network, classifier.image_size)
    if classifier.head is not None:
        graph = with_head(graph, *classifier.head, _num_features(classifier))
    onnx.save(graph, folder / "model.onnx")
    return open_onnx(folder / "model.onnx")


def _num_features(classifier: TrackedClassifier) -> int:
    last = classifier.network.classifier[-1]
    assert isinstance(last, torch.nn.Linear)
    return last.in_features


def _write_torchscript(classifier: TrackedClassifier, record: Record, folder: Path) -> Exported:
    if classifier.head is not None:
        raise UserError(
            f"TorchScript knows networks, and no {classifier.head[0].title}; type: --format onnx"
        )
    file = str(folder / "model.pt")
    images = torch.zeros(2, classifier.image_size, classifier.image_size, 3, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather be asked for torch.export
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            Graph(classifier.network), images, check_trace=False
        )
        traced.save(file)
        loaded = torch.jit.load(file)  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def run(pixels: NDArray[np.uint8]) -> Answers:
        probabilities, embeddings = loaded(torch.from_numpy(pixels))
        return probabilities.numpy(), embeddings.numpy()

    return run


def _write_safetensors(classifier: TrackedClassifier, record: Record, folder: Path) -> Exported:
    """Write the weights, and a head as its library writes it; bench puts them together again."""
    file = folder / "model.safetensors"
    state = classifier.network.state_dict()
    with usual_permissions(file):
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    network, head = read_network(file, record), None
    if classifier.head is not None:
        spec, fitted = classifier.head
        head = spec, load_head(spec.name, save_head(fitted, folder), dict(record.system.params))
    again = replace(classifier, network=network, head=head)
    return again.answers


WRITERS: dict[Format, Callable[[TrackedClassifier, Record, Path], Exported]] = {
    "onnx": _write_onnx,
    "torchscript": _write_torchscript,
    "safetensors": _write_safetensors,
}


def compare(
    own: TrackedClassifier, exported: Exported, pixels: NDArray[np.uint8], stored: Predictions
) -> ExportCheck:
    """Ask both for the same images, batch by batch, and for some one at a time.

    Args:
        own: On the processor, in float32.
        exported: The files at work.
        pixels: (N, S, S, 3) of the test split.
        stored: What the run said of them.

    Raises:
        UserError: They differ by more than `EXACT`.
    """
    batch = inference_batch(own.device, own.image_size)
    (expected, wanted), own_ms = _timed(own.answers, pixels, batch)
    (theirs, embeddings), file_ms = _timed(exported, pixels, batch)
    network = f"the network of {own.name}"
    share = np.abs(wanted - embeddings).max() / (np.abs(wanted).max() or 1)
    _check(network, "an embedding", share)
    if own.head is None:
        _check(network, "a probability", np.abs(expected - theirs).max())
    else:
        # A tree asks whether a feature is above a value: rounding may take it to another leaf.
        same = head_probabilities(*own.head, embeddings, len(own.class_names))
        _check(f"the head {own.head[0].name}", "a probability", np.abs(same - theirs).max())
    few = pixels[:TIMED]
    largest = float(np.abs(expected - theirs).max())
    changed = expected.argmax(1) != theirs.argmax(1)
    top = np.sort(expected, axis=1)[:, -2:]
    tied = changed & (top[:, -1] - top[:, 0] <= 2 * EXACT)
    return ExportCheck(
        images=len(pixels),
        largest_difference=largest,
        changed_labels=int(changed.sum()),
        ties=int(tied.sum()),
        changed_since_run=int((stored.predicted != theirs.argmax(1)).sum()),
        milliseconds=(file_ms, _timed(exported, few, 1)[1]),
        own_milliseconds=(own_ms, _timed(own.answers, few, 1)[1]),
    )


def _check(part: str, what: str, difference: float) -> None:
    if not difference <= EXACT:  # nor nan
        raise UserError(
            f"{part} cannot be exported exactly: {what} of the test split differs by "
            f"{difference:.2g}; type: --format safetensors"
        )


def _timed(answer: Exported, pixels: NDArray[np.uint8], batch: int) -> tuple[Answers, float]:
    """Answers to all batches, and milliseconds an image, after one batch to warm up."""
    answer(pixels[:batch])
    start = time.perf_counter()
    found = [answer(pixels[first:][:batch]) for first in range(0, len(pixels), batch)]
    milliseconds = 1000 * (time.perf_counter() - start) / len(pixels)
    probabilities, embeddings = zip(*found, strict=True)
    return (np.concatenate(probabilities), np.concatenate(embeddings)), milliseconds


def _description(
    own: TrackedClassifier, run: Run, record: Record, found: ExportCheck
) -> dict[str, Any]:
    """What a program has to know of the files."""
    size = own.image_size
    return {
        "name": own.name,
        "run_id": run.info.run_id,
        "classes": own.class_names,
        "input": {
            **asdict(own.input),
            "size": size,
            "shape": ["batch", size, size, 3],
            "pixels": "uint8, RGB: scaling to [0, 1], mean and std are part of the graph",
        },
        "network": {**asdict(record.system.backbone), "test_flip": record.test_flip},
        "head": record.system.head,
        "calibration": _calibration(own.calibration),
        "test_accuracy": run.data.metrics["test_accuracy"],
        "comparison": asdict(found),
    }


def _calibration(found: Calibration | None) -> dict[str, Any] | None:
    """What it takes to tell unknown pictures: probabilities at the temperature, and from where."""
    if found is None:
        return None
    below = found.least_sure(LEVEL)
    return {"temperature": found.temperature, "level": LEVEL, "unknown_below": below}
