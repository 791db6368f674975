from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmark.data.prepared import PreparedData
from benchmark.explain.attention import attention_rollout
from benchmark.explain.gallery import explain, shown_rows, write_gallery
from benchmark.explain.gradcam import find_cam_layer, gradcam
from benchmark.training.images import image_examples
from benchmark.training.network import Network, build_network
from registry import models


class PatchDetector(nn.Module):
    """Lets only red through: a red patch decides."""

    num_features = 1

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1.0

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean((2, 3))


def test_gradcam_lights_up_the_patch_that_decides() -> None:
    backbone = PatchDetector()
    linear = nn.Linear(1, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 4:12, 20:28] = 1.0
    network = Network(backbone, nn.Sequential(linear)).eval()
    heat = gradcam(network, backbone.conv, image, torch.tensor([1]))
    inside = heat[0, 4:12, 20:28].sum()
    assert inside / heat.sum() > 0.8
    against = gradcam(network, backbone.conv, image, torch.tensor([0]))
    assert against.sum() == 0  # the patch speaks against the other class


@pytest.mark.parametrize(
    "name",
    [
        "basic_cnn",
        "residual_cnn",
        "convmixer",
        "resnet18",
        "vit_b_16",
        "timm:resnet10t",
        "timm:vit_tiny_patch16_224",
        "timm:convnext_atto",
    ],
)
def test_every_kind_of_network_is_explained_its_backbone_frozen_or_not(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, "scratch", 64, 3)
    images = torch.rand(2, 3, 64, 64)
    free = explain(network, models[name], images, torch.tensor([0, 1]))
    assert free.shape == (2, 64, 64)
    assert free.min() >= 0
    assert free.max() <= 1
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    frozen = explain(network, models[name], images, torch.tensor([0, 1]))
    assert torch.allclose(free, frozen, atol=1e-5)


@pytest.mark.parametrize("name", ["convmixer", "resnet18", "vit_b_16"])
def test_other_weights_give_another_map(name: str) -> None:
    """The sanity check of Adebayo et al. 2018."""
    images = torch.rand(1, 3, 64, 64)
    maps = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = build_network(name, "scratch", 64, 3)
        maps.append(explain(network, models[name], images, torch.tensor([0])))
    assert not torch.allclose(maps[0], maps[1], atol=0.05)


def test_attention_rollout_follows_attention_to_the_one_patch_that_is_looked_at() -> None:
    torch.manual_seed(0)
    network = build_network("vit_b_16", "scratch", 64, 3).eval()
    # Keys that answer to one patch's position alone draw all attention there.
    target = 6
    for layer in network.backbone.encoder.layers:
        attention = layer.self_attention
        with torch.no_grad():
            attention.in_proj_weight.zero_()
            attention.in_proj_bias.zero_()
    uniform = attention_rollout(network, torch.rand(1, 3, 64, 64))
    np.testing.assert_allclose(uniform, uniform.mean(), rtol=1e-3)

    def look(
        module: nn.Module, args: object, output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        weights = torch.zeros_like(output[1])
        weights[:, :, 1 + target] = 1
        return output[0], weights

    for layer in network.backbone.encoder.layers:
        layer.self_attention.register_forward_hook(look)
    looked = attention_rollout(network, torch.rand(1, 3, 64, 64))
    assert looked.reshape(-1).argmax() == target
    assert looked.reshape(-1)[target] > 0.9


def test_explaining_leaves_the_network_as_it_was() -> None:
    network = build_network("timm:vit_tiny_patch16_224", "scratch", 64, 3).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
    fused = [m.fused_attn for m in network.modules() if hasattr(m, "fused_attn")]
    attention_rollout(network, images)
    assert [m.fused_attn for m in network.modules() if hasattr(m, "fused_attn")] == fused
    assert not any(module._forward_pre_hooks for module in network.modules())
    with torch.no_grad():
        torch.testing.assert_close(network(images), before)


def test_a_wrong_cam_layer_is_named() -> None:
    network = build_network("convmixer", "scratch", 32, 3)
    with pytest.raises(ValueError, match="'nowhere' is no layer"):
        find_cam_layer(network, "nowhere")


def test_the_gallery_shows_the_same_test_images_for_every_network(
    data: PreparedData, tmp_path: Path
) -> None:
    images = image_examples(data, torch.device("cpu"))
    for name in ("convmixer", "vit_b_16"):
        network = build_network(name, "scratch", 32, 3)
        write_gallery(network, models[name], data, images, tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "convmixer").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "vit_b_16").iterdir())
    rows = shown_rows(data)
    assert len(names) == len(rows) == 6
    assert set(data.splits[rows]) == {"test"}
    assert {data.labels[row] for row in rows[:3]} == {0, 1, 2}  # each class first
    with Image.open(tmp_path / "convmixer" / names[0]) as first:
        original = np.asarray(first)[60:280, 10:230].mean((0, 1))
    expected = data.images[rows[0]].mean((0, 1))
    np.testing.assert_allclose(original, expected, atol=8)
