"""What repeats of a frozen backbone share, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.data.prepared import PreparedData
from benchmark.execution.launch import Launch
from benchmark.execution.planning import plan_study
from benchmark.runs.options import RunOptions
from benchmark.runs.pooled_features import pooled_features
from benchmark.study.config import Config, TrainConfig
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System, find_systems
from benchmark.tracking.store import Store
from benchmark.training.images import Examples, image_examples
from benchmark.training.inference import pool_examples
from benchmark.training.network import Network, build_network
from registry import models
from tests.studies import HEAD, Quiet, tracked

FROZEN = System(model="resnet18", schedule="frozen")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images' features were computed, each time."""
    done: list[int] = []

    def count(network: Network, images: Examples, config: TrainConfig) -> Examples:
        done.append(len(images.inputs))
        return pool_examples(network, images, config)

    monkeypatch.setattr("benchmark.runs.pooled_features.pool_examples", count)
    return done


def test_repeats_share_a_frozen_backbones_features_and_nothing_else(
    config: Config, store: Store, computed: list[int]
) -> None:
    config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1})})
    study = plan_study(config, find_systems([HEAD]), Path("home"), seeds=(0, 7))
    launch = Launch(study=study, home=Path("home"), device="cpu", explain=False)
    outcomes = list(launch.execute(Quiet(), force=False))
    assert {one.status for one in outcomes} == {"completed"}
    assert [one.spec.label for one in outcomes] == [
        "resnet18-pretrained",
        "resnet18-frozen",
        HEAD,
        "resnet18-frozen (seed 7)",
        f"{HEAD} (seed 7)",
    ]
    assert computed == [42]
    runs, heads = tracked(store, "resnet18-frozen"), tracked(store, HEAD)
    assert len({run.data.metrics["val_loss"] for run in runs}) == 2
    assert {run.data.tags["backbone_run_id"] for run in heads} == {run.info.run_id for run in runs}


def pooled(
    data: PreparedData, home: Path, seed: int = 0, *, train: TrainConfig | None = None
) -> tuple[Examples, float]:
    """Of a backbone that has its weights from a seed."""
    torch.manual_seed(seed)
    network = build_network("resnet18", "frozen", 32, 3)
    train = train or TrainConfig(precision="float32")
    network.test_flip = train.test_flip
    spec = RunSpec(system=FROZEN, data=data.spec, train=train, seed=seed)
    store = Store(uri="sqlite:///none.db", experiment="tests")
    options = RunOptions(store=store, home=home, threads=1)
    return pooled_features(spec, options, network, image_examples(data, torch.device("cpu")))


def test_stored_features_are_the_computed_ones_with_their_time(
    data: PreparedData, tmp_path: Path, computed: list[int]
) -> None:
    first, seconds = pooled(data, tmp_path)
    again, told = pooled(data, tmp_path)
    assert computed == [42]
    assert torch.equal(first.inputs, again.inputs)
    assert again.inputs.shape == (42, 512)
    assert told == seconds > 0


def test_other_weights_images_and_ways_to_compute_share_nothing(
    data: PreparedData, tmp_path: Path, computed: list[int]
) -> None:
    pooled(data, tmp_path)
    pooled(data, tmp_path, seed=1)
    pooled(data, tmp_path, train=TrainConfig(precision="bfloat16"))
    pooled(data, tmp_path, train=TrainConfig(precision="float32", test_flip=True))
    assert len(computed) == 4
    spec = data.spec
    data.spec = replace(spec, fingerprint="other")
    try:
        pooled(data, tmp_path)
    finally:
        data.spec = spec
    assert len(computed) == len(list((tmp_path / "features").glob("*.safetensors"))) == 5


def test_a_plugins_features_are_not_stored(
    data: PreparedData, tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(models["resnet18"]), "of_plugin", True)
    pooled(data, tmp_path)
    pooled(data, tmp_path)
    assert len(computed) == 2
    assert not (tmp_path / "features").exists()
