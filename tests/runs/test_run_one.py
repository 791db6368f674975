"""Whole studies on small data: what is tracked, reused, skipped and survived."""

from __future__ import annotations

import hashlib
import json
import pickle
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from benchmark.classifier.loading import find_classifier
from benchmark.classifier.network import load_network
from benchmark.evaluation.cost import network_cost
from benchmark.execution.planning import plan_study
from benchmark.runs.run_one import open_tracker
from benchmark.runs.teacher import read_teacher
from benchmark.study.config import Config, override
from benchmark.study.suite import System, find_systems
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from benchmark.training.images import image_examples
from benchmark.training.inference import classify, embed
from benchmark.training.network import build_network
from registry import TorchvisionWeights, models
from registry.specs import ModelSpec
from tests.studies import FROZEN, HEAD, Quiet, artifact, files, run, tracked

METRICS = {
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "test_accuracy",
    "test_top5_accuracy",
    "test_macro_f1",
    "test_log_loss",
    "test_calibration_error",
    "best_epoch",
    "best_val_accuracy",
    "best_val_loss",
    "params_total",
    "params_trainable",
    "flops",
    "fit_seconds",
    "inference_ms",
}


def test_the_val_accuracy_of_a_run_is_that_of_the_predictions_that_it_keeps(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch may tell another one: in bfloat16 its logits tie, which those stored do not."""

    def growing(**fields: Any) -> EpochResult:
        return EpochResult(**fields | {"val_accuracy": fields["epoch"] / 10})

    monkeypatch.setattr("benchmark.training.trainer.EpochResult", growing)
    train = config.train.model_copy(update={"precision": "bfloat16"})
    run(config.model_copy(update={"train": train}), "basic_cnn")
    (found,) = tracked(store, "basic_cnn-scratch")
    assert found.data.tags["precision"] == "bfloat16"
    assert found.data.metrics["val_accuracy"] == 0.3
    val = pd.read_csv(artifact(open_tracker(store), found.info.run_id, "predictions/val.csv"))
    assert found.data.metrics["best_val_accuracy"] == val["correct"].mean()


def test_everything_about_a_network_is_tracked(config: Config, store: Store) -> None:
    outcomes = run(config, "basic_cnn", explain=True)
    assert [outcome.status for outcome in outcomes.values()] == ["completed"]
    (found,) = tracked(store, "basic_cnn-scratch")
    tracker = open_tracker(store)
    assert found.data.metrics.keys() >= METRICS
    assert outcomes["basic_cnn-scratch"].test_accuracy == found.data.metrics["test_accuracy"]
    losses, accuracies = (
        tracker.client.get_metric_history(found.info.run_id, name)
        for name in ("val_loss", "val_accuracy")
    )
    assert [point.step for point in losses] == [1, 2, 3]
    both = zip(accuracies, losses, strict=True)
    best = max(both, key=lambda points: (points[0].value, -points[1].value))
    assert found.data.metrics["best_epoch"] == best[0].step
    assert found.data.metrics["best_val_accuracy"] == best[0].value
    assert found.data.metrics["best_val_loss"] == min(point.value for point in losses)
    network = build_network("basic_cnn", "scratch", config.data.size, 3)
    weights = [*network.parameters(), *network.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights)
    assert found.data.metrics["size_mb"] == pytest.approx(size / 1e6)
    assert found.data.params["train.epochs"] == "3"
    assert found.data.params["data.num_classes"] == "3"
    assert found.data.tags["study_accuracy"] == ""  # told other things apart than colours
    assert found.data.tags["device"] == "cpu"
    assert found.data.tags["precision"] == "float32"
    assert f"torch {version('torch')}" in found.data.tags["versions"]
    sizes = [found.data.params[f"data.{split}_images"] for split in ("train", "val", "test")]
    assert sizes == ["30", "6", "6"]
    assert found.data.tags["weights"] == "none"
    assert found.inputs is not None
    (dataset,) = found.inputs.dataset_inputs
    assert json.loads(dataset.dataset.profile or "")["train"] == 30
    assert dataset.dataset.digest == found.data.params["data.fingerprint"]
    kept = files(tracker, found.info.run_id)
    assert kept == {
        "config.json",
        "environment.json",
        "training.png",
        "confusion.png",
        "predictions",
        "explanations",
        "images",
    }
    environment = json.loads(artifact(tracker, found.info.run_id, "environment.json").read_text())
    assert environment["torch"] == version("torch")
    assert environment["device"] == "cpu"
    table = pd.read_csv(artifact(tracker, found.info.run_id, "predictions/test.csv"))
    assert len(table) == 6
    assert table["correct"].mean() == pytest.approx(found.data.metrics["test_accuracy"])
    for picture in ("training.png", "confusion.png"):
        with Image.open(artifact(tracker, found.info.run_id, picture)) as image:
            assert np.asarray(image.convert("L")).std() > 5  # not blank


def test_a_head_is_fitted_to_its_backbones_embeddings(
    config: Config, store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = workplace / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    outcomes = run(config, HEAD, save_weights="all")
    assert not list(temporary.iterdir())
    assert list(outcomes) == ["resnet18-pretrained", FROZEN, HEAD]
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    (backbone,), (head,) = tracked(store, FROZEN), tracked(store, HEAD)
    seconds = head.data.metrics["head_fit_seconds"]
    assert head.data.metrics["fit_seconds"] == seconds + backbone.data.metrics["fit_seconds"]
    tracker = open_tracker(store)
    embeddings = load_file(artifact(tracker, backbone.info.run_id, "embeddings.safetensors"))
    assert embeddings["embeddings"].shape == (42, 256)
    assert head.data.params["embedding_size"] == "256"
    assert head.data.params["head.n_estimators"] == "100"
    assert head.data.tags["backbone_run_id"] == backbone.info.run_id
    assert head.data.metrics["trees"] == 100
    assert head.data.metrics["depth"] <= 10
    assert head.data.metrics["nodes"] > 100
    assert head.data.metrics["best_val_accuracy"] == head.data.metrics["val_accuracy"]
    assert head.data.metrics["inference_ms"] > backbone.data.metrics["inference_ms"]
    trees = find_classifier(store, HEAD).head
    assert trees is not None
    size = len(pickle.dumps(trees[1])) / 1e6
    own_size = head.data.metrics["size_mb"] - backbone.data.metrics["size_mb"]
    assert own_size == pytest.approx(size, rel=0.1)  # it shares more in memory
    assert head.data.metrics.keys() >= {
        name for name in METRICS if name.startswith("test_")
    }  # the same names as the networks'
    assert head.data.metrics["test_accuracy"] > 0.8  # colours are easy, even so


def test_staged_embeddings_are_the_pooled_512_features(config: Config, store: Store) -> None:
    run(config, "resnet18-staged")
    (staged,) = tracked(store, "resnet18-staged")
    path = artifact(open_tracker(store), staged.info.run_id, "embeddings.safetensors")
    assert load_file(path)["embeddings"].shape == (42, 512)


def test_beyond_the_study_heads_get_a_backbones_own_features_of_real_weights(
    config: Config, store: Store
) -> None:
    name = "efficientnet_lite0-frozen"
    heads = [f"{name}/logistic_regression", f"{name}/knn"]
    outcomes = run(config, *heads, save_weights="all", explain=True)
    assert len(outcomes) == 7
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    (backbone,) = tracked(store, name)
    assert backbone.data.tags["weights"] == "imagenet"  # though the study's start from demo
    assert backbone.data.tags["group"] == "beyond the study"
    tracker = open_tracker(store)
    kept = load_file(artifact(tracker, backbone.info.run_id, "embeddings.safetensors"))[
        "embeddings"
    ]
    network = build_network("efficientnet_lite0", "frozen", config.data.size, 3)
    source = models["efficientnet_lite0"].weights
    assert source is not None
    network.backbone.load_state_dict(source.load(config.data.size, None))
    data = plan_study(config, find_systems([name]), Path("home")).data
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = network.eval().pool(images).numpy()
    np.testing.assert_allclose(kept, expected, rtol=1e-3, atol=1e-4)
    (probe,) = tracked(store, f"{name}/logistic_regression-C0.1")
    assert probe.data.params["embedding_size"] == "1280"
    assert probe.data.metrics["test_accuracy"] > 0.8
    assert "deletion_auc" in probe.data.metrics
    assert "head.skops" in files(tracker, probe.info.run_id)
    (neighbours,) = tracked(store, f"{name}/knn-k5")
    assert neighbours.data.tags["no_explanations"]


def test_what_drawn_species_do_not_teach_is_skipped_with_what_to_type(
    config: Config, store: Store
) -> None:
    config = override(config, ["pretrain.models=vit*"])
    outcomes = run(config, "resnet18-staged", "convmixer")
    assert list(outcomes) == ["resnet18-staged", "convmixer-scratch"]
    assert outcomes["resnet18-staged"].status == "skipped"
    assert "--weights imagenet" in outcomes["resnet18-staged"].reason
    assert "pretrain.models" in outcomes["resnet18-staged"].reason
    assert outcomes["convmixer-scratch"].status == "completed"


def test_demo_weights_are_what_the_pretraining_left(config: Config, store: Store) -> None:
    run(config, FROZEN, save_weights="all")
    tracker = open_tracker(store)
    (pretrained,), (frozen,) = tracked(store, "resnet18-pretrained"), tracked(store, FROZEN)
    before, after = (
        load_file(artifact(tracker, run.info.run_id, "weights.safetensors"))
        for run in (pretrained, frozen)
    )
    backbone = [name for name in before if name.startswith("backbone.")]
    assert len(backbone) > 100
    assert all(np.array_equal(before[name], after[name]) for name in backbone)
    assert pretrained.data.params["data.fingerprint"] != frozen.data.params["data.fingerprint"]


def test_the_data_is_explored_in_one_run_of_its_own(config: Config, store: Store) -> None:
    run(config, "convmixer")
    run(config, "basic_cnn")
    (exploration,) = tracked(store, f"data {Path(config.data.source).name}")
    assert exploration.data.metrics["images"] == 42
    assert exploration.data.metrics["test_images"] == 6
    names = files(open_tracker(store), exploration.info.run_id, "exploration")
    assert "exploration/class_distribution.png" in names
    assert "exploration/sizes.csv" in names


def test_imagenet_weights_from_a_folder_are_what_the_frozen_backbone_keeps(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(3)
    state = resnet18().state_dict()
    torch.save(state, tmp_path / "state.pth")
    digest = hashlib.sha256((tmp_path / "state.pth").read_bytes()).hexdigest()[:8]
    (tmp_path / "state.pth").rename(tmp_path / f"tiny-{digest}.pth")
    spec = models["resnet18"]
    assert isinstance(spec.weights, TorchvisionWeights)
    weights = TorchvisionWeights(
        url=f"http://127.0.0.1:9/tiny-{digest}.pth", adapt=spec.weights.adapt
    )
    monkeypatch.setitem(models._specs, "resnet18", ModelSpec(**{**vars(spec), "weights": weights}))
    given = {"weights": "imagenet", "weights_folder": str(tmp_path)}
    outcomes = run(config.model_copy(update=given), FROZEN, save_weights="all")
    assert outcomes[FROZEN].status == "completed"
    (found,) = tracked(store, FROZEN)
    assert found.data.tags["weights"] == "imagenet"
    kept = load_file(artifact(open_tracker(store), found.info.run_id, "weights.safetensors"))
    for name, tensor in state.items():
        if not name.startswith("fc."):
            np.testing.assert_array_equal(kept[f"backbone.{name}"], tensor.numpy())


@pytest.mark.parametrize("teacher", [HEAD, "convmixer-scratch"])
def test_a_network_learns_what_its_teacher_says_of_the_train_images(
    config: Config, store: Store, teacher: str
) -> None:
    train = config.train.model_copy(update={"teacher": teacher, "teacher_weight": 1.0})
    outcomes = run(config.model_copy(update={"train": train}), "basic_cnn")
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}
    tracker = open_tracker(store)
    (student,), (taught_by,) = tracked(store, "basic_cnn-scratch"), tracked(store, teacher)
    assert student.data.tags["system"] == "Basic CNN (distilled)"
    assert student.data.params["train.teacher"] == teacher
    assert "predictions/train.csv" in files(tracker, taught_by.info.run_id, "predictions")

    data = plan_study(config, find_systems(["basic_cnn"]), Path("home")).data
    found = read_teacher(outcomes["basic_cnn-scratch"].spec, data, tracker)
    assert found is not None
    names = [data.samples[row].name for row in data.rows("train")]
    file = artifact(tracker, taught_by.info.run_id, "predictions/train.csv")
    table = pd.read_csv(file).set_index("image")
    expected = [table.loc[name, "predicted"] for name in names]
    classes = np.array(data.class_names)
    assert classes[found[data.rows("train")].argmax(1)].tolist() == expected

    untaught = Quiet()  # what it learned changes what it is, and the teacher is there already
    run(config, "basic_cnn", teacher, listener=untaught)
    assert "basic_cnn-scratch" in untaught.begun
    losses = [run_.data.metrics["train_loss"] for run_ in tracked(store, "basic_cnn-scratch")]
    assert losses[0] != losses[1]


def test_a_network_that_looks_into_the_mirror_does_so_when_it_is_loaded(
    config: Config, store: Store
) -> None:
    train = config.train.model_copy(update={"test_flip": True})
    run(config.model_copy(update={"train": train}), "convmixer", save_weights="all")
    tracker, (found,) = open_tracker(store), tracked(store, "convmixer-scratch")
    study = plan_study(config, find_systems(["convmixer"]), Path("home"))
    cost = network_cost(System(model="convmixer", schedule="scratch"), 32, 3)
    assert found.data.metrics["flops"] == 2 * cost["flops"]
    cpu = torch.device("cpu")
    network = load_network(tracker, found.info.run_id, cpu)
    assert network.test_flip
    images = image_examples(study.data, cpu)
    embeddings = embed(network, images, images.rows("test"), config.train)
    with tracker.artifact(found.info.run_id, "predictions/test.safetensors") as file:
        stored = load_file(file)
    np.testing.assert_allclose(classify(network, embeddings), stored["probabilities"], atol=1e-5)
    ahead = embed(network.facing_ahead(), images, images.rows("test"), config.train)
    assert np.abs(ahead - embeddings).max() > 1e-3
