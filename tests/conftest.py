"""Small real data and a store of its own for every test."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import folder_source
from benchmark.study.config import Config, DataConfig, DemoConfig, PretrainConfig, TrainConfig
from benchmark.tracking.store import Store

COLOURS = {"blue": (40, 60, 220), "green": (50, 200, 60), "red": (220, 50, 40)}
IMAGE_SIZE = 32


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take minutes: at the end, one process would wait for them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tensors are tiny here: threads cost more than they bring."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 14 noisy one-coloured images: 10 train, 2 val, 2 test each."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for i in range(14):
            noise = rng.normal(0, 25, (30, 40, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def data(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The coloured images, decoded at 32 x 32."""
    source = folder_source(image_folder, name="colours")
    home = tmp_path_factory.mktemp("home")
    return prepare(source, image_size=IMAGE_SIZE, seed=0, home=home)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with an MLflow store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", str(tmp_path / "artifacts"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
    monkeypatch.delenv("COLUMNS", raising=False)  # a table is as wide as it is
    # bench sets MLFLOW_LOGGING_LEVEL before it imports MLflow; here it is imported already.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return tmp_path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables without an experiment of ours; MLflow takes seconds to make them."""
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def store(workplace: Path, empty_database: Path) -> Store:
    """The store of `workplace`, which has its tables already."""
    shutil.copy(empty_database, workplace)
    return Store()


@pytest.fixture(scope="session")
def config(image_folder: Path) -> Config:
    """A study of the coloured images that takes seconds."""
    return Config(
        preset="tiny",
        data=DataConfig(source=str(image_folder), image_size=IMAGE_SIZE),
        demo=DemoConfig(species=2, images_per_species=6),
        train=TrainConfig(epochs=3, freeze_epochs=1, batch_size=8, precision="float32"),
        pretrain=PretrainConfig(species=2, images_per_species=6, epochs=1),
        weights="demo",
    )
