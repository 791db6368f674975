"""What repeats of a frozen backbone share, and what they do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import folder_source
from benchmark.execution.launch import Launch
from benchmark.execution.planning import plan_study
from benchmark.runs.options import RunOptions
from benchmark.runs.pooled_features import pooled_features
from benchmark.study.config import Config, TrainConfig
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System, find_systems
from benchmark.tracking.store import Store
from benchmark.training.images import Examples, image_examples
from benchmark.training.inference import pool_rows
from benchmark.training.network import Network, build_network
from registry import models
from tests.studies import HEAD, Quiet, tracked

FROZEN = System(model="resnet18", schedule="frozen")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images' features were computed, each time."""
    done: list[int] = []

    def count(network: Network, images: Examples, rows: Tensor, config: TrainConfig) -> Tensor:
        done.append(len(rows))
        return pool_rows(network, images, rows, config)

    monkeypatch.setattr("benchmark.runs.pooled_features.pool_rows", count)
    monkeypatch.setattr("benchmark.training.inference.pool_rows", count)
    return done


def test_repeats_share_a_frozen_backbones_features_and_nothing_else(
    config: Config, store: Store, computed: list[int]
) -> None:
    config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1})})
    study = plan_study(config, find_systems([HEAD]), Path("home"), seeds=(0, 7))
    launch = Launch(study=study, home=Path("home"), device="cpu", explain=False)
    outcomes = list(launch.execute(Quiet()))
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
    images = image_examples(data, torch.device("cpu"))
    return pooled_features(spec, options, network, images, data.samples)


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
    assert computed == [42] * 4
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 4


def test_of_images_that_were_added_alone_features_are_computed(
    image_folder: Path, data: PreparedData, tmp_path: Path, computed: list[int]
) -> None:
    before, seconds = pooled(data, tmp_path)
    grown = tmp_path / "grown"
    shutil.copytree(image_folder, grown)
    for shade in range(3):
        Image.new("RGB", (40, 40), (10, shade * 80, 200)).save(
            next(grown.glob("*")) / f"{shade}.png"
        )
    source = folder_source(grown, name="grown")
    more = prepare(source, image_size=data.spec.image_size, seed=0, home=tmp_path)
    after, told = pooled(more, tmp_path)
    assert computed == [42, 3]
    assert told > seconds
    assert len(after.inputs) == 45
    rows = {sample.digest: row for row, sample in enumerate(more.samples)}
    same = after.inputs[[rows[sample.digest] for sample in data.samples]]
    assert torch.equal(same, before.inputs)
    (tmp_path / "features").rename(tmp_path / "gone")
    torch.testing.assert_close(pooled(more, tmp_path)[0].inputs, after.inputs)
    assert computed == [42, 3, 45]


@pytest.mark.parametrize("content", [b"", b"{}", save({"features": torch.ones(42, 512)})])
def test_damaged_features_and_those_of_another_layout_are_made_anew(
    content: bytes, data: PreparedData, tmp_path: Path, computed: list[int]
) -> None:
    before, _ = pooled(data, tmp_path)
    (file,) = (tmp_path / "features").glob("*.safetensors")
    file.write_bytes(content)
    of_other_data = file.with_stem(f"{file.stem.partition('-')[0]}-other")
    of_other_data.write_bytes(content)
    for _ in range(2):
        assert torch.equal(pooled(data, tmp_path)[0].inputs, before.inputs)
    assert computed == [42, 42]
    assert not of_other_data.exists()


@pytest.mark.parametrize("error", [OSError("no room"), SafetensorError("no room")])
def test_where_features_cannot_be_written_the_run_goes_on_without(
    error: Exception,
    data: PreparedData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.runs.pooled_features.save_file", fail)
    features, _ = pooled(data, tmp_path)
    assert len(features.inputs) == 42
    assert "cannot be written (no room)" in caplog.text
    assert not list((tmp_path / "features").glob("*.safetensors"))


def test_a_plugins_features_are_not_stored(
    data: PreparedData, tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(models["resnet18"]), "of_plugin", True)
    pooled(data, tmp_path)
    pooled(data, tmp_path)
    assert len(computed) == 2
    assert not (tmp_path / "features").exists()
