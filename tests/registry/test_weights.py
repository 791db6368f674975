"""Pretrained weights: from a folder, a cache or a server, whole or not at all."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from registry import models
from registry.models.resnet import without_classifier
from registry.models.vit import resized
from registry.weights import StateDict, TorchvisionWeights, WeightsUnavailable
from tests.registry.conftest import STATE, publish

NOWHERE = "http://127.0.0.1:1"  # a port that nothing listens on


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
