"""Whichever way a picture takes, the classifier sees the same pixels and says the same of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from starlette.testclient import TestClient

from benchmark.classifier.loading import find_classifier
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.cli import main
from benchmark.data.prepared import prepare
from benchmark.data.sources import folder_source
from benchmark.pages.classifier_app import classifier_app
from benchmark.study.config import Config, override
from benchmark.tracking.store import Store
from benchmark.training.images import image_examples
from benchmark.training.inference import classify, embed
from registry import InputSpec, models
from registry.specs import ModelSpec
from tests.classifier.odd_pictures import BROKEN, odd_pictures
from tests.studies import run

COUNT = 300
TOLERANCE = 1e-4
REAL = Path(__file__).parents[2].with_name("shared") / "data/odd"
SEEN = InputSpec(
    size=40, aspect="crop", crop=0.9, interpolation="bicubic", mean=(0.5, 0.4, 0.3), std=(0.3,) * 3
)
NAME = "seen-scratch"


def flipping(config: Config) -> Config:
    """Each image is also shown mirrored, and the answers are averaged."""
    return override(config, ["data.image_size=none", "train.test_flip=true"])


@pytest.fixture
def classifier(config: Config, store: Store) -> Iterator[TrackedClassifier]:
    """A network that is shown crops, resized by bicubic interpolation, and normalised."""
    factory = models["convmixer"].factory
    models.add(ModelSpec(name="seen", title="Seen", factory=factory, input=SEEN))
    outcomes = run(flipping(config), "seen", save_weights="all")
    assert outcomes[NAME].status == "completed"
    yield find_classifier(store, NAME)
    models.remove("seen")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """In two classes, as the benchmark reads them."""
    contents = [*odd_pictures(COUNT)]
    if REAL.exists():
        contents += [(f"real{one.name}", one.read_bytes()) for one in sorted(REAL.iterdir())]
    written = []
    for place, (name, content) in enumerate([*contents, *BROKEN.items()]):
        file = tmp_path / "pictures" / ("odd", "even")[place % 2] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        written.append(file)
    return written


def by_benchmark(
    classifier: TrackedClassifier, config: Config, files: list[Path]
) -> dict[str, NDArray[np.float32]]:
    """As a run scores its images: out of the store of decoded ones."""
    folder = files[0].parents[1]
    data = prepare(
        folder_source(folder, name="pictures"),
        image_size=classifier.image_size,
        seed=0,
        home=Path("home"),
        input_=classifier.input,
    )
    examples = image_examples(data, classifier.device)
    rows = torch.arange(len(data.samples))
    found = classify(classifier.network, embed(classifier.network, examples, rows, config.train))
    return {sample.name: row for sample, row in zip(data.samples, found, strict=True)}


def by_server(classifier: TrackedClassifier, files: list[Path]) -> list[NDArray[np.float32] | None]:
    answers: list[NDArray[np.float32] | None] = []
    with TestClient(classifier_app(classifier), headers={"host": "localhost"}) as client:
        for file in files:
            upload = {"image": (file.name, file.read_bytes())}
            answer = client.post("/predict", files=upload)
            assert answer.status_code in (200, 400)
            shares = {one["label"]: one["probability"] for one in answer.json().get("top", [])}
            row = [shares[name] for name in classifier.class_names] if shares else None
            answers.append(None if row is None else np.array(row, dtype=np.float32))
    return answers


def by_pyfunc(classifier: TrackedClassifier, contents: list[bytes]) -> NDArray[np.float32]:
    registered = CliRunner().invoke(main, ["register", NAME, "--as", "seen"])
    assert registered.exit_code == 0, registered.output
    model = mlflow.pyfunc.load_model("models:/seen@champion")
    classes = classifier.class_names
    with pytest.raises(MlflowException, match="cannot be read"):
        model.predict(pd.DataFrame({"image": [BROKEN["text.jpg"]]}))
    table = model.predict(pd.DataFrame({"image": contents}), params={"top": len(classes)})
    rows = [
        [dict(zip(labels, shares, strict=True))[name] for name in classes]
        for labels, shares in zip(table["labels"], table["probabilities"], strict=True)
    ]
    return np.array(rows, dtype=np.float32)


def by_onnx(classifier: TrackedClassifier, contents: list[bytes]) -> NDArray[np.float32]:
    pytest.importorskip("onnxruntime", reason="type: uv sync --extra export")
    exported = CliRunner().invoke(
        main, ["export", NAME, "--output", "out"], env={"BENCH_HOME": "home"}
    )
    assert exported.exit_code == 0, exported.output
    from onnxruntime import InferenceSession

    session = InferenceSession("out/model.onnx")
    pixels = np.stack([classifier.decode(content).pixels for content in contents])
    probabilities: NDArray[np.float32] = session.run(["probabilities"], {"images": pixels})[0]
    return probabilities


def test_odd_pictures_are_answered_alike_on_every_way(
    classifier: TrackedClassifier,
    config: Config,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BENCH_HOME", "home")
    benchmark = by_benchmark(classifier, flipping(config), files)
    predicted = [*classifier.stream(files)]
    served = by_server(classifier, files)
    names = [f"{file.parent.name}/{file.name}" for file in files]
    readable = [name in benchmark for name in names]
    assert sum(readable) >= COUNT
    assert [not answer.reason for answer in predicted] == readable
    assert [answer is not None for answer in served] == readable
    kept = [place for place, one in enumerate(readable) if one]
    contents = [files[place].read_bytes() for place in kept]
    wanted = np.stack([benchmark[names[place]] for place in kept])
    assert len({*wanted.argmax(1).tolist()}) > 1  # it does tell them apart
    ways = {
        "predict": np.stack([predicted[place].probabilities for place in kept]),
        "serve": np.stack([row for row in served if row is not None]),
        "pyfunc": by_pyfunc(classifier, contents),
        "onnx": by_onnx(classifier, contents),
    }
    for way, found in ways.items():
        assert np.abs(found - wanted).max() <= TOLERANCE, way
        assert (found.argmax(1) == wanted.argmax(1)).all(), way
