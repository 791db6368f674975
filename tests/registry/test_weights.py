"""Pretrained weights: from a folder, a cache or a server, whole or not at all."""

import hashlib
import io
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import Tensor

from benchmark.training.network import build_network
from registry import models
from registry.models.resnet import without_classifier
from registry.models.vit import resized
from registry.weights import PackagedWeights, StateDict, TorchvisionWeights, WeightsUnavailable

NOWHERE = "http://127.0.0.1:1"  # a port that nothing listens on
STATE = {"conv.weight": torch.arange(8.0), "fc.weight": torch.ones(3), "fc.bias": torch.ones(3)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's cache, empty; and Hugging Face's, which asks no server."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as publishers name it, after the start of its hash."""
    return publish(STATE, tmp_path / "server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of what is published."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    (tmp_path / "server").mkdir(exist_ok=True)
    handler = partial(Quiet, directory=str(tmp_path / "server"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.05])
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def publish(state: StateDict, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"tiny-{digest[:8]}.pth")


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def weights(file: Path, server: str = NOWHERE) -> TorchvisionWeights:
    return TorchvisionWeights(url=f"{server}/{file.name}", adapt=without_classifier)


def assert_adapted(state: StateDict) -> None:
    assert set(state) == {"conv.weight"}
    torch.testing.assert_close(state["conv.weight"], STATE["conv.weight"])


def test_weights_are_read_from_the_users_folder(published: Path, cache: Path) -> None:
    assert_adapted(weights(published).load(240, published.parent))
    assert not cache.exists()


def test_weights_are_read_from_the_cache(published: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    published.rename(cache / published.name)
    assert_adapted(weights(published).load(240, None))
    assert_adapted(weights(published).load(240, published.parent))


def test_weights_are_downloaded_once(published: Path, server: str, cache: Path) -> None:
    assert_adapted(weights(published, server).load(240, None))
    assert [file.name for file in cache.iterdir()] == [published.name]
    published.unlink()
    assert_adapted(weights(published, server).load(240, None))


def test_folder_without_the_file_does_not_stop_the_download(
    published: Path, server: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    assert_adapted(weights(published, server).load(240, tmp_path / "folder"))


def test_damaged_file_in_the_folder_is_refused(published: Path, server: str) -> None:
    damage(published)
    with pytest.raises(WeightsUnavailable, match=rf"{re.escape(str(published))} is damaged"):
        weights(published, server).load(240, published.parent)


def test_damaged_file_in_the_cache_is_refused(published: Path, server: str, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / published.name).write_text("<html>404</html>")
    with pytest.raises(WeightsUnavailable, match=r"checkpoints/tiny-.*pth is damaged, delete it"):
        weights(published, server).load(240, None)


def test_damaged_download_is_refused_and_not_cached(
    published: Path, server: str, cache: Path
) -> None:
    damage(published)
    with pytest.raises(WeightsUnavailable, match=r"cannot be had \(invalid hash value"):
        weights(published, server).load(240, None)
    assert not (cache / published.name).exists()


def test_file_of_another_kind_is_refused_in_one_line(published: Path) -> None:
    published.write_text("<html>404</html>")
    unnamed = published.rename(published.with_name("tiny.pth"))
    with pytest.raises(WeightsUnavailable, match=r"weights tiny\.pth cannot be had") as info:
        weights(unnamed).load(240, unnamed.parent)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("reason", ["refused", "404"])
def test_unreachable_weights_say_what_to_do(published: Path, server: str, reason: str) -> None:
    published.unlink()
    source = weights(published, NOWHERE if reason == "refused" else server)
    with pytest.raises(WeightsUnavailable) as info:
        source.load(240, None)
    message = str(info.value)
    assert message.startswith(f"ImageNet weights {published.name} cannot be had (")
    assert reason in message
    assert message.endswith(
        "put that file into a folder and pass --weights FOLDER, or use --weights demo"
    )


def test_study_starts_from_torchvisions_first_imagenet_weights() -> None:
    urls = {
        spec.name: spec.weights.url
        for spec in models
        if isinstance(spec.weights, TorchvisionWeights)
    }
    assert urls == {
        "resnet18": torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url,
        "vit_b_16": torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.url,
    }


def test_torchvisions_resnet_becomes_the_backbone(tmp_path: Path) -> None:
    original = torchvision.models.resnet18()
    file = publish(original.state_dict(), tmp_path)
    backbone = models["resnet18"].factory(64)
    backbone.load_state_dict(weights(file).load(64, tmp_path))
    for name, tensor in backbone.state_dict().items():
        torch.testing.assert_close(tensor, original.state_dict()[name], rtol=0, atol=0)


def vit_state(side: int = 14, features: int = 768) -> dict[str, Tensor]:
    """Position embeddings that rise from left to right, and a classifier."""
    ramp = torch.linspace(0, 1, side).expand(side, side).reshape(1, side * side, 1)
    token = torch.full((1, 1, features), -5.0)
    positions = torch.cat([token, ramp.expand(-1, -1, features)], dim=1)
    return {
        "encoder.pos_embedding": positions,
        "class_token": torch.ones(1, 1, features),
        "heads.head.weight": torch.ones(3, features),
        "heads.head.bias": torch.ones(3),
    }


def test_position_embeddings_are_interpolated_to_the_image_size() -> None:
    state = resized(vit_state(), 240)
    assert set(state) == {"encoder.pos_embedding", "class_token"}
    positions = state["encoder.pos_embedding"]
    assert positions.shape == (1, 226, 768)
    assert (positions[0, 0] == -5).all()
    grid = positions[0, 1:, 0].reshape(15, 15)
    torch.testing.assert_close(grid, grid[:1].expand(15, 15), rtol=0, atol=1e-5)
    torch.testing.assert_close(grid[0], torch.linspace(0, 1, 15), rtol=0, atol=0.02)


def test_position_embeddings_of_the_published_size_stay() -> None:
    state = vit_state(features=8)
    kept = resized(state, 224)["encoder.pos_embedding"]
    torch.testing.assert_close(kept, vit_state(features=8)["encoder.pos_embedding"])


def test_interpolated_embeddings_fit_the_backbone() -> None:
    with torch.device("meta"):
        backbone: Any = models["vit_b_16"].factory(240)
    positions = resized(vit_state(), 240)["encoder.pos_embedding"]
    assert backbone.encoder.pos_embedding.shape == positions.shape


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_zoo_weights_are_read_from_the_users_folder(tmp_path: Path, suffix: str) -> None:
    original = timm.create_model("resnet10t").state_dict()
    file = tmp_path / f"resnet10t.{suffix}"
    save_file(original, file) if suffix == "safetensors" else torch.save(original, file)
    spec = models["timm:resnet10t"]
    assert spec.weights is not None
    state = spec.weights.load(64, tmp_path)
    assert {"fc.weight", "fc.bias"} == set(original) - set(state)
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, original[name], rtol=0, atol=0)
    spec.factory(64).load_state_dict(state)


def test_zoo_transformers_weights_are_fitted_to_the_image_size(tmp_path: Path) -> None:
    original = timm.create_model("vit_tiny_patch16_224").state_dict()
    save_file(original, tmp_path / "vit_tiny_patch16_224.safetensors")
    spec = models["timm:vit_tiny_patch16_224"]
    assert spec.weights is not None
    state = spec.weights.load(64, tmp_path)
    assert original["pos_embed"].shape == (1, 197, 192)
    assert state["pos_embed"].shape == (1, 17, 192)
    torch.testing.assert_close(state["pos_embed"][:, 0], original["pos_embed"][:, 0])
    spec.factory(64).load_state_dict(state)


def test_unavailable_zoo_weights_say_what_to_do(tmp_path: Path) -> None:
    source = models["timm:resnet10t"].weights
    assert source is not None
    with pytest.raises(WeightsUnavailable) as info:
        source.load(64, tmp_path)
    message = str(info.value)
    assert message.startswith("pretrained weights of timm's resnet10t cannot be had (")
    assert message.endswith(
        "put resnet10t.safetensors into a folder and pass --weights FOLDER, or use --weights demo"
    )
    assert "\n" not in message


ZOO_STATE = timm.create_model("resnet10t").state_dict()
FIRST = "conv1.0.weight"


def saved(state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>\n<title>404</title>", "it is text"),
        (b"", "it is no file of tensors"),
        (saved(ZOO_STATE)[:20_000], "it is no file of tensors"),
        (saved([1, 2]), "it is no file of tensors"),
        (saved(dict.fromkeys(ZOO_STATE, 1)), "what it calls conv1.0.weight is no tensor"),
        (saved({}), "it holds no tensors"),
        (saved({"conv.weight": torch.ones(3)}), "it lacks"),
        (
            saved({k: v for k, v in ZOO_STATE.items() if k != FIRST}),
            "it lacks 1 of its 84 tensors, as conv1.0.weight",
        ),
        (saved({**ZOO_STATE, FIRST: ZOO_STATE[FIRST].flatten()}), "size mismatch for conv1.0.we"),
        (
            saved({**ZOO_STATE, FIRST: ZOO_STATE[FIRST] * float("nan")}),
            "conv1.0.weight holds what is no",
        ),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(
    tmp_path: Path, content: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "resnet10t.pth"
    file.write_bytes(content)
    source = models["timm:resnet10t"].weights
    assert source is not None
    with pytest.raises(WeightsUnavailable) as info:
        source.load(64, tmp_path)
    message = str(info.value)
    assert message.startswith(f"{file} does not hold weights of timm's resnet10t ({reason}")
    assert message.endswith("); put another there, or use --weights demo")
    assert "\n" not in message
    assert not caplog.records  # and no library says it otherwise


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "module."])
def test_checkpoints_of_trainings_are_unwrapped(tmp_path: Path, wrapped: str) -> None:
    prefixed = {wrapped + name: tensor for name, tensor in ZOO_STATE.items()}
    torch.save(
        prefixed if wrapped.endswith(".") else {wrapped: ZOO_STATE}, tmp_path / "resnet10t.pth"
    )
    source = models["timm:resnet10t"].weights
    assert source is not None
    torch.manual_seed(0)
    source.load(64, tmp_path)
    after = torch.rand(1)
    torch.manual_seed(0)
    models["timm:resnet10t"].factory(64)
    assert torch.equal(torch.rand(1), after)  # nothing else is drawn than to make it once


def test_zoo_model_that_was_never_pretrained_has_no_weights(tmp_path: Path) -> None:
    source = models["timm:cs3darknet_s"].weights
    assert source is not None
    with pytest.raises(WeightsUnavailable, match="No pretrained weights exist for cs3darknet_s"):
        source.load(64, tmp_path)


def package(monkeypatch: pytest.MonkeyPatch, file: Path) -> PackagedWeights:
    """Install a package that brings a file of weights, and whose code must not run."""
    site = file.parent.parent / "site"
    (site / "brings").mkdir(parents=True)
    (site / "brings" / "__init__.py").write_text("raise RuntimeError('run')")
    file.rename(site / "brings" / file.name)
    (site / "brings-1.dist-info").mkdir()
    (site / "brings-1.dist-info" / "METADATA").write_text("Name: brings\nVersion: 1\n")
    monkeypatch.syspath_prepend(site)
    return PackagedWeights(package="brings", file=f"brings/{file.name}", adapt=without_classifier)


def test_weights_are_read_from_an_installed_package_without_its_code(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packaged = package(monkeypatch, published)
    assert_adapted(packaged.load(240, None))
    assert_adapted(packaged.load(240, tmp_path))


@pytest.mark.parametrize("what", ["damaged", "without its file", "not installed"])
def test_a_package_without_whole_weights_says_how_to_install_it(
    published: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    packaged = package(monkeypatch, published)
    if what == "not installed":
        packaged = replace(packaged, package="nobody-has-this")
    elif what == "damaged":
        damage(published.parent.parent / "site" / packaged.file)
    else:
        packaged = replace(packaged, file="brings/other.pth")
    with pytest.raises(WeightsUnavailable, match="type: uv sync --reinstall-package"):
        packaged.load(240, None)


@pytest.mark.parametrize(
    ("picture", "names"), [("china.jpg", {442, 663}), ("flower.jpg", {985})]
)  # bell cote and monastery; daisy
def test_efficientnet_lite0_tells_scikit_learns_pictures(picture: str, names: set[int]) -> None:
    """Only with the right tensors in the right places, and pixels from -1 to 1."""
    source = models["efficientnet_lite0"].weights
    assert isinstance(source, PackagedWeights)
    file = str(distribution(source.package).locate_file(source.file))
    whole = torch.load(file, weights_only=True)
    theirs = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert len(whole) == 296
    assert [t.shape for t in whole.values()] == [t.shape for t in theirs.values()]
    network = build_network("efficientnet_lite0", "frozen", 224, 1000).eval()
    network.backbone.load_state_dict(source.load(224, None))
    last = dict(zip(("0.weight", "0.bias"), list(whole.values())[-2:], strict=True))
    network.classifier.load_state_dict(last)
    square = Image.fromarray(load_sample_image(picture)).resize((224, 224))
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        ranking = network(pixels)[0].argsort(descending=True).tolist()
    assert names & set(ranking[:2])
    assert names <= set(ranking[:5])
