"""`bench register`: what MLflow serves says what bench says, and only proof makes a champion."""

from __future__ import annotations

import base64
import errno
import json
import shlex
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import uvicorn
from click.testing import CliRunner, Result
from PIL import Image

import benchmark as bench
from benchmark.classifier.network import load_network
from benchmark.classifier.promotion import compare
from benchmark.cli import main
from benchmark.evaluation.predictions import Predictions
from benchmark.tracking.items import Artifact
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.network import Network
from registry import HeadSpec
from tests.studies import own_store
from tests.test_cli import assert_one_line_error

NETWORK = "basic_cnn-scratch"
HEAD = "basic_cnn-scratch/logistic_regression-C1.0"
SETTINGS = {"data.image_size": 32, "train.epochs": 3, "train.batch_size": 8}


def bench_(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module", autouse=True)
def studied(
    image_folder: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with a network and a head on it that kept their weights."""
    folder = tmp_path_factory.mktemp("registered")
    with own_store(folder, empty_database):
        systems = [NETWORK, "basic_cnn-scratch/logistic_regression"]
        study = bench.plan(image_folder, systems, preset="study", settings=SETTINGS)
        bench.run(study, device="cpu", explain=False, save_weights="all")
        yield folder


def odd_pictures(folder: Path) -> list[bytes]:
    """Files that are not read as they lie: turned, transparent, grey, wide."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 90, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(pixels)
    image.convert("RGB").save(folder / "turned.jpg", exif=exif)
    image.save(folder / "transparent.png")
    image.convert("L").save(folder / "grey.webp")
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def ask(port: int, images: list[bytes], **params: int) -> Any:
    """Send pictures as MLflow's protocol wants them."""
    encoded = [[base64.b64encode(image).decode()] for image in images]
    body = {"dataframe_split": {"columns": ["image"], "data": encoded}, "params": params}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


@pytest.mark.parametrize("name", [NETWORK, HEAD])
def test_registered_model_says_what_its_run_says_also_behind_mlflows_server(
    name: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.pyfunc import scoring_server

    model = name.partition("/")[2] or "my network"
    result = bench_("register", name, "--as", model)
    assert result.exit_code == 0, result.output
    assert f"models:/{model}@champion is version 1: there was no champion" in result.output
    assert f"PATH --model {shlex.quote(f'models:/{model}@champion')}, or:" in result.output
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", str(Store()))
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    stored = bench.predictions(name)
    files = [(image_folder / image).read_bytes() for image in stored["image"]]
    told = loaded.predict(pd.DataFrame({"image": files}), params={"top": 2})
    assert told["label"].tolist() == stored["predicted"].tolist()
    wanted = [row[row["predicted"]] for _, row in stored.iterrows()]
    np.testing.assert_allclose(told["probability"], wanted, atol=1e-4)
    assert [len(labels) for labels in told["labels"]] == [2] * 6
    odd = odd_pictures(tmp_path)
    own = bench.load(f"models:/{model}@champion").predict(odd)

    server = uvicorn.Server(
        uvicorn.Config(scoring_server.init(loaded), port=0, log_level="error", lifespan="on")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        answers = ask(port, odd, top=1)
        assert [one["label"] for one in answers] == own["predicted"].tolist()
        shares = [row[row["predicted"]] for _, row in own.iterrows()]
        np.testing.assert_allclose([one["probability"] for one in answers], shares, atol=1e-4)
        assert [len(one["labels"]) for one in answers] == [1] * len(odd)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(port, [odd[0], b"no picture"])
        assert refused.value.code == 400
        assert b"image 1 (from 0) cannot be read: not an image" in refused.value.read()
    finally:
        server.should_exit = True
        thread.join()


def test_card_tells_figures_intervals_data_and_classes() -> None:
    assert bench_("register", NETWORK, "--as", "carded").exit_code == 0
    client = Tracker(Store()).client
    version = client.get_model_version_by_alias("carded", "champion")
    assert version.description is not None
    for told in ("Test accuracy", "95% interval", "fingerprint `", "3 classes: blue, green, red"):
        assert told in version.description
    assert version.tags["run"] == NETWORK
    again = bench_("register", NETWORK, "--as", "carded")
    assert "is version 1: basic_cnn-scratch is the champion already" in again.output


def test_a_plugins_package_is_among_what_its_model_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadSpec, "of_plugin", True)
    monkeypatch.setattr("benchmark.classifier.promotion.module_of", lambda factory: "_pytest.mark")
    assert bench_("register", HEAD, "--as", "plugged").exit_code == 0
    tracker = Tracker(Store())
    (run,) = tracker.search(f"attributes.run_name = '{HEAD}'")
    with tracker.artifact(run.info.run_id, "model/requirements.txt") as file:
        needed = file.read_text().splitlines()
    assert f"pytest=={version('pytest')}" in needed
    assert f"timm=={version('timm')}" in needed


def test_what_cannot_be_loaded_is_no_champion() -> None:
    tracker = Tracker(Store())
    (run,) = tracker.search(f"attributes.run_name = '{NETWORK}'")
    with tracker.artifact(run.info.run_id, "weights.safetensors") as file:
        content = file.read_bytes()
        file.write_bytes(content[:100])
        refused = bench_("register", NETWORK, "--as", "damaged")
        file.write_bytes(content)
    assert_one_line_error(refused, "weights.safetensors of the run", "--force")
    assert not tracker.client.search_registered_models("name = 'damaged'")


def test_where_the_disk_or_the_gpu_is_full_no_run_is_to_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def too_large(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr("benchmark.classifier.packed.shutil.copyfile", full)
        assert_one_line_error(bench_("register", NETWORK, "--as", "full"), "make room")
    load_network.cache_clear()
    monkeypatch.setattr(Network, "to", too_large)
    with pytest.raises(torch.OutOfMemoryError):
        bench.load(NETWORK)


def run_that_told(
    tracker: Tracker, like: str, right: int, names: list[str], groups: list[str] | None = None
) -> str:
    """A run beside another that told so many of its test images right."""
    run = tracker.client.get_run(like)
    with tracker.start("other", {**run.data.tags, "mlflow.runName": "other"}) as made:
        labels = np.zeros(len(names), dtype=np.int64)
        predicted = np.where(np.arange(len(names)) < right, 0, 1)
        predictions = Predictions(
            split="test",
            names=names,
            labels=labels,
            probabilities=np.eye(2, dtype=np.float32)[predicted],
            class_names=["a", "b"],
            groups=groups or names,
        )
        predictions.save(Path(made.id) / "predictions")
        made.log(Artifact(Path(made.id) / "predictions", "predictions"))
        with tracker.artifact(like, "config.json") as file:
            made.log(Artifact(file))
    return made.id


def test_only_what_is_better_or_tied_is_as_good_as_the_champion() -> None:
    tracker = Tracker(Store())
    (like, *_) = (run.info.run_id for run in tracker.search(f"attributes.run_name = '{NETWORK}'"))
    names = [f"{i}.png" for i in range(100)]
    champion = run_that_told(tracker, like, 80, names)
    for right, verdict, proven in ((60, "worse", False), (78, "tied", True), (95, "better", True)):
        told, found = compare(tracker, run_that_told(tracker, like, right, names), champion)
        assert found is proven
        assert told.startswith(f"{verdict}: {right:.2f}%")
        assert "80.00% of the same 100 test images, p = " in told
    copies = [str(i // 20) for i in range(100)]  # of five pictures, one of which tells nothing
    told, found = compare(tracker, run_that_told(tracker, like, 60, names, copies), champion)
    assert found
    assert told.startswith("tied: 60.00%")
    others = run_that_told(tracker, like, 100, [f"other {name}" for name in names])
    told, found = compare(tracker, others, champion)
    assert not found
    assert "other images" in told
    tracker.client.create_registered_model("guarded")
    tracker.client.create_model_version("guarded", "nowhere", champion)
    tracker.client.set_registered_model_alias("guarded", "champion", "1")
    refused = bench_("register", NETWORK, "--as", "guarded")
    assert_one_line_error(refused, "is not promoted to models:/guarded", "--force promotes it")
    assert tracker.client.get_model_version_by_alias("guarded", "champion").run_id == champion
    assert bench_("register", NETWORK, "--as", "guarded", "--force").exit_code == 0
    assert tracker.client.get_model_version_by_alias("guarded", "champion").run_id != champion


@pytest.mark.parametrize("lost", ["predictions", "run"])
def test_a_champion_of_which_nothing_is_left_is_replaced_by_force(lost: str) -> None:
    tracker, name = Tracker(Store()), f"lost-{lost}"
    tracker.client.create_registered_model(name)
    with tracker.start("other", {}) as made:
        pass
    tracker.client.create_model_version(name, "nowhere", made.id if lost != "run" else None)
    tracker.client.set_registered_model_alias(name, "champion", "1")
    refused = bench_("register", NETWORK, "--as", name)
    assert_one_line_error(
        refused, "it cannot be compared with the champion: ", "--force promotes it"
    )
    forced = bench_("register", NETWORK, "--as", name, "--force")
    assert forced.exit_code == 0, forced.output
    assert f"models:/{name}@champion is version 2: it cannot be compared" in forced.output


def test_a_model_is_named_as_it_can_be_asked_for_and_no_command_has_a_masked_password(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(Store())
    (run,) = tracker.search(f"attributes.run_name = '{NETWORK}'")
    tracker.client.set_tag(run.info.run_id, "data", "cats@home")
    monkeypatch.setattr(Store, "__str__", lambda store: "postgresql://me:***@host/mlflow")
    told = bench_("register", NETWORK).output
    assert "bench predict PATH --model models:/cats-home@champion, or: mlflow models serve" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["basic_cnn"], "did you mean"),
        ([NETWORK, "--as", "a/b"], "text without /, : and @"),
        ([NETWORK, "--as", "Pok\udce9mon"], "text without /, : and @"),
        ([NETWORK, "--as", "a@b"], "text without /, : and @"),
        ([NETWORK, "--as", " "], "neither empty nor dots"),
        ([NETWORK, "--as", ".."], "neither empty nor dots"),
        (["models:/nothing/2"], "no registered model is called 'nothing'"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], told: str) -> None:
    assert_one_line_error(bench_("register", *arguments), told)
