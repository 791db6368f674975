"""An exported classifier says what bench says, and what cannot be exact is not exported."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmark.classifier import export, onnx_graph
from benchmark.classifier.loading import find_classifier
from benchmark.cli import main
from benchmark.study.config import Config
from benchmark.tracking.store import Store
from registry import heads
from registry.specs import HeadSpec
from tests.studies import run

pytest.importorskip("onnxruntime", reason="type: uv sync --extra export")
NETWORK = "basic_cnn-scratch"
HEADS = (
    f"{NETWORK}/extra_trees-n100-d10",
    f"{NETWORK}/xgboost-n100-d10",
    f"{NETWORK}/logistic_regression-C1.0",
)


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"BENCH_HOME": "home"})


def in_onnx_runtime(folder: Path, pixels: np.ndarray) -> list[np.ndarray]:
    from onnxruntime import InferenceSession

    outputs: list[np.ndarray] = InferenceSession(folder / "model.onnx").run(
        ["probabilities", "embeddings"], {"images": pixels}
    )
    return outputs


@pytest.fixture
def pictures(image_folder: Path) -> list[Path]:
    return sorted(image_folder.glob("*/0[0-4].png"))


def test_a_network_is_one_graph_that_takes_pixels(
    config: Config, store: Store, pictures: list[Path]
) -> None:
    run(config, "basic_cnn", save_weights="all")
    result = bench("export", NETWORK)
    assert result.exit_code == 0, result.output
    assert "6 test images: probabilities differ from bench's in float32 by at most" in result.output
    assert "no labels changed" in result.output
    assert "one at a time" in result.output
    classifier = find_classifier(store, NETWORK)
    pixels = np.stack([classifier.decode(file).pixels for file in pictures])
    probabilities, embeddings = in_onnx_runtime(Path(NETWORK), pixels)
    np.testing.assert_allclose(probabilities, classifier.probabilities(pixels), atol=1e-5)
    assert embeddings.shape[0] == len(pixels)
    told = json.loads((Path(NETWORK) / "model.json").read_text())
    assert told["classes"] == classifier.class_names
    assert told["input"]["size"] == 32
    assert told["input"]["mean"] == [0, 0, 0]
    assert told["comparison"]["images"] == 6
    assert told["comparison"]["changed_since_run"] == 0


def test_a_full_disk_leaves_the_earlier_export_whole(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, "basic_cnn", save_weights="all")
    assert bench("export", NETWORK, "--format", "safetensors", "--out", "out").exit_code == 0
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> None:
        if source.name != "model.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))
        copy(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        result = bench("export", NETWORK, "--format", "torchscript", "--out", "out")
    assert result.exit_code == 2
    assert "No space left on device: " in result.output
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before
    result = bench("export", NETWORK, "--format", "torchscript", "--out", "out")
    assert {file.name for file in Path("out").iterdir()} == {"model.json", "model.pt"}
    assert "model.safetensors" not in result.output


@pytest.mark.parametrize("format_", ["torchscript", "safetensors"])
def test_other_formats_say_the_same(config: Config, store: Store, format_: str) -> None:
    flips = format_ == "safetensors"
    train = config.train.model_copy(update={"test_flip": flips})
    run(config.model_copy(update={"train": train}), "basic_cnn", save_weights="all")
    result = bench("export", NETWORK, "--format", format_, "--output", "out")
    assert result.exit_code == 0, result.output
    assert "no labels changed" in result.output
    again = bench("export", NETWORK, "--format", format_, "--output", "out")
    assert again.exit_code == 0, again.output
    assert json.loads(Path("out/model.json").read_text())["network"]["test_flip"] is flips


def test_heads_are_part_of_the_graph(config: Config, store: Store, pictures: list[Path]) -> None:
    kinds = {name.partition("-n")[0].partition("-C")[0] for name in HEADS}
    run(config, *sorted(kinds), save_weights="all")
    for name in HEADS:
        result = bench("export", name, "--output", "out")
        assert result.exit_code == 0, result.output
        classifier = find_classifier(store, name)
        pixels = np.stack([classifier.decode(file).pixels for file in pictures])
        probabilities, embeddings = in_onnx_runtime(Path("out"), pixels)
        assert classifier.head is not None
        own = classifier.head[1].predict_proba(embeddings)
        np.testing.assert_allclose(probabilities, own, atol=1e-5)
        assert (probabilities.argmax(1) == classifier.probabilities(pixels).argmax(1)).all()
    refused = bench("export", HEADS[0], "--format", "torchscript")
    assert refused.exit_code == 2
    assert "--format onnx" in refused.output
    kept = bench("export", HEADS[0], "--format", "safetensors", "--output", "kept")
    assert kept.exit_code == 0, kept.output
    assert {file.name for file in Path("kept").iterdir()} == {
        "head.skops",
        "model.json",
        "model.safetensors",
    }
    assert len({file.stat().st_mode for file in Path("kept").iterdir()}) == 1


def test_a_head_that_the_converter_gets_wrong_is_refused(config: Config, store: Store) -> None:
    run(config, f"{NETWORK}/knn", save_weights="all")
    result = bench("export", f"{NETWORK}/knn", "--output", "out")
    assert result.exit_code == 2
    assert "another distance than cosine" in result.output
    assert result.output.count("\n") == 1
    assert not Path("out").exists()


def test_a_head_on_other_embeddings_is_refused_though_its_converter_is_right(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, f"{NETWORK}/logistic_regression", save_weights="all")
    exact = onnx_graph.open_onnx

    def wrong(file: Path) -> Any:
        classify = exact(file)
        return lambda pixels: classify(255 - pixels)

    monkeypatch.setattr(export, "open_onnx", wrong)
    result = bench("export", HEADS[2], "--output", "out")
    assert result.exit_code == 2
    assert f"the network of {HEADS[2]} cannot be exported exactly: an embedding" in result.output
    assert not Path("out").exists()


def test_what_differs_on_the_test_split_is_refused_with_what_was_measured(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, "basic_cnn", save_weights="all")
    exact = onnx_graph.open_onnx

    def wrong(file: Path) -> Any:
        classify = exact(file)
        return lambda pixels: (classify(pixels)[0][:, ::-1], classify(pixels)[1])

    monkeypatch.setattr(export, "open_onnx", wrong)
    result = bench("export", NETWORK, "--output", "out")
    assert result.exit_code == 2
    assert "a probability of the test split differs by" in result.output
    assert not Path("out").exists()


@pytest.fixture
def unknown_to_converters() -> Iterator[str]:
    from sklearn.dummy import DummyClassifier

    heads.add(HeadSpec(name="dummy", title="Dummy", factory=lambda **given: DummyClassifier()))
    yield f"{NETWORK}/dummy"
    heads.remove("dummy")


def test_a_head_without_a_converter_is_refused(
    config: Config, store: Store, unknown_to_converters: str
) -> None:
    run(config, unknown_to_converters, save_weights="all")
    result = bench("export", unknown_to_converters)
    assert result.exit_code == 2
    assert "no converter to ONNX takes the head dummy" in result.output


def test_what_is_missing_is_told_in_one_line(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, "basic_cnn", save_weights="all")
    Path("taken").mkdir()
    Path("taken/model.onnx").write_text("another program's")
    taken = bench("export", NETWORK, "--output", "taken")
    gone = CliRunner().invoke(main, ["export", NETWORK], env={"BENCH_HOME": "elsewhere"})
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setattr("benchmark.classifier.onnx_graph.find_spec", lambda name: None)
    lacking = bench("export", NETWORK)
    for result, told in (
        (taken, "not by bench"),
        (gone, "the test images of basic_cnn-scratch are not in elsewhere"),
        (lacking, "uv sync --inexact --extra export"),
    ):
        assert result.exit_code == 2, result.output
        assert told in result.output
        assert result.output.count("\n") == 1


def test_images_that_are_gone_are_decoded_by_the_command_that_made_the_run(
    config: Config, store: Store
) -> None:
    run(config, HEADS[0], save_weights="all")
    shutil.rmtree("home/data")
    result = bench("export", HEADS[0])
    assert result.exit_code == 2
    assert "to decode them again, type once more the bench run command" in result.output
    run(config, HEADS[0], save_weights="all")
    assert bench("export", HEADS[0]).exit_code == 0
