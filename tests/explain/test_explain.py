from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.explain.attention import attention_rollout
from benchmark.explain.explainers import NetworkExplainer, heatmaps
from benchmark.explain.feature_maps import Layout, PlaceLayer, find_place_layer, layout_of
from benchmark.explain.gradcam import Weights, gradcam
from benchmark.training.inference import classify
from benchmark.training.network import Network, build_network
from registry import PluginError, models


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


def explain(network: Network, name: str, images: Tensor, classes: list[int]) -> Tensor:
    return heatmaps(NetworkExplainer(network, models[name]), images, np.array(classes)).maps


def test_gradcam_lights_up_the_patch_that_decides() -> None:
    backbone = PatchDetector()
    linear = nn.Linear(1, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 4:12, 20:28] = 1.0
    network = Network(backbone, nn.Sequential(linear)).eval()
    layer, _ = find_place_layer(network, "conv", image, 7)
    heat = gradcam(layer, image, lambda x: network(x)[:, 1], "Grad-CAM")
    inside = heat[0, 4:12, 20:28].sum()
    assert inside / heat.sum() > 0.8
    against = gradcam(layer, image, lambda x: network(x)[:, 0], "Grad-CAM")
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
        "timm:mobilenetv3_small_050",
        "timm:swin_s3_tiny_224",
    ],
)
def test_every_kind_of_network_is_explained_its_backbone_frozen_or_not(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, "scratch", 64, 3)
    images = torch.rand(2, 3, 64, 64)
    free = explain(network, name, images, [0, 1])
    assert free.shape == (2, 64, 64)
    assert free.min() >= 0
    assert free.max() <= 1
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    frozen = explain(network, name, images, [0, 1])
    assert torch.allclose(free, frozen, atol=1e-5)


@pytest.mark.parametrize("name", ["convmixer", "resnet18", "vit_b_16"])
def test_other_weights_give_another_map(name: str) -> None:
    """The sanity check of Adebayo et al. 2018."""
    images = torch.rand(1, 3, 64, 64)
    maps = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = build_network(name, "scratch", 64, 3)
        maps.append(explain(network, name, images, [0]))
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


def captums(network: Network, layer: PlaceLayer, images: Tensor, target: list[int]) -> Any:
    """Grad-CAM, and gradient times activation, as captum computes them."""
    attr = pytest.importorskip("captum.attr")
    chosen = {"target": torch.tensor(target)}
    mean = attr.LayerGradCam(network, layer.module).attribute(images, **chosen)
    place = attr.LayerGradientXActivation(network, layer.module).attribute(images, **chosen)
    return mean.detach().relu()[:, 0].numpy(), place.detach().numpy()


@pytest.mark.parametrize("name", ["timm:resnet10t", "resnet18"])
def test_maps_are_captums(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, "scratch", 64, 3).eval()
    images = torch.rand(2, 3, 64, 64)
    layer, _ = find_place_layer(network, models[name].cam_layer, images, 4)
    assert layer.layout.side >= 4
    target = [2, 0]
    mean, place = captums(network, layer, images.clone().requires_grad_(), target)
    chosen = torch.tensor(target)[:, None]

    def ours(weights: Weights) -> NDArray[np.float32]:
        return gradcam(layer, images, lambda x: network(x).gather(1, chosen), weights)

    assert ours("HiResCAM").max() > 0
    close = partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-7)
    close(ours("Grad-CAM"), mean)
    close(ours("HiResCAM"), place.sum(1).clip(0))
    close(ours("LayerCAM"), place.clip(0).sum(1))  # no activation is negative here


@pytest.mark.parametrize(
    ("name", "side", "layer"),
    [
        ("timm:mobilenetv3_small_050", 2, "blocks.5"),  # a convolution follows the pooling
        ("timm:efficientnet_lite0", 2, "blocks.6"),
        ("timm:efficientnet_lite0", 4, "blocks.4"),
        ("timm:resnet10t", 2, "layer4"),
        ("timm:resnet10t", 8, "layer2"),
        ("timm:resnet10t", 99, "act1"),  # the most places there are
        ("timm:convnext_atto", 2, "stages.3"),
        ("resnet18", 2, "layer4"),
        ("resnet18", 3, "layer3"),
        ("vit_b_16", 2, "encoder.layers.encoder_layer_10"),  # then the class token goes on alone
        ("timm:vit_tiny_patch16_224", 2, "blocks.10"),
        ("timm:mixer_s32_224", 2, "blocks.7"),
    ],
)
def test_maps_are_of_the_last_stage_with_enough_places(name: str, side: int, layer: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, "scratch", 64, 3).eval()
    images = torch.rand(1, 3, 64, 64)
    found, is_last = find_place_layer(network, None, images, side)
    assert found.name == layer
    assert found.module is network.backbone.get_submodule(layer)
    assert is_last == (side == 2)
    heat = gradcam(found, images, lambda x: network(x).square().sum(1), "HiResCAM")
    assert heat.shape == (1, found.layout.side, found.layout.side)


@pytest.mark.parametrize(
    ("shape", "channels", "prefix", "layout"),
    [
        ((2, 512, 7, 7), 512, None, Layout(side=7, channels=1)),
        ((2, 7, 7, 512), 512, None, Layout(side=7, channels=3)),
        ((2, 7, 7, 512), None, None, Layout(side=7, channels=3)),
        ((2, 64, 16, 16), None, None, Layout(side=16, channels=1)),
        ((2, 197, 192), 192, 1, Layout(side=14, channels=2, prefix=1)),
        ((2, 196, 192), 192, 1, Layout(side=14, channels=2, prefix=0)),  # the class comes later
        ((2, 198, 192), None, None, Layout(side=14, channels=2, prefix=2)),
        ((2, 192, 49), 192, None, Layout(side=7, channels=1, prefix=0)),
        ((2, 201, 192), 192, 5, Layout(side=14, channels=2, prefix=5)),
        ((2, 512, 1, 1), 512, None, None),
        ((2, 512, 7, 8), 512, None, None),
        ((2, 1, 192), 192, None, None),
        ((2, 7, 7, 512), 384, None, None),
        ((2, 512), 512, None, None),
    ],
)
def test_the_layout_of_an_output_is_told_by_its_channels(
    shape: tuple[int, ...], channels: int | None, prefix: int | None, layout: Layout | None
) -> None:
    assert layout_of(shape, channels, prefix) == layout


def test_a_layer_that_others_bypass_is_not_taken() -> None:
    class Bypassed(PatchDetector):
        def forward_features(self, x: Tensor) -> Tensor:
            normed: Tensor = self.norm(x)
            features: Tensor = normed + self.conv(normed)
            return features

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

    network = Network(Bypassed(), nn.Sequential(nn.Linear(3, 2))).eval()
    layer, _ = find_place_layer(network, None, torch.rand(1, 3, 8, 8), 7)
    assert layer.name == "norm"


def test_the_layer_of_other_models_is_the_last_convolution_that_sees_places() -> None:
    class Squeezed(PatchDetector):
        def __init__(self) -> None:
            super().__init__()
            self.after_pooling = nn.Conv2d(1, 1, 1)

        def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
            pooled: Tensor = self.after_pooling(x.mean((2, 3), keepdim=True))
            return pooled.flatten(1)

    backbone = Squeezed()
    network = Network(backbone, nn.Sequential(nn.Linear(1, 2)))
    layer, is_last = find_place_layer(network, None, torch.rand(1, 3, 8, 8), 7)
    assert layer.module is backbone.conv
    assert is_last


def test_a_wrong_cam_layer_is_named() -> None:
    network = build_network("convmixer", "scratch", 32, 3)
    with pytest.raises(PluginError, match="'nowhere' is no layer"):
        find_place_layer(network, "nowhere", torch.rand(1, 3, 32, 32), 7)
    with pytest.raises(PluginError, match="'pool' has no square of places"):
        find_place_layer(network, "pool", torch.rand(1, 3, 32, 32), 7)


@pytest.mark.parametrize("layer", ["stages.3.4", None])
def test_a_network_whose_units_died_blames_no_layer(layer: str | None) -> None:
    network = build_network("residual_cnn", "scratch", 32, 3).eval()
    with torch.no_grad():  # no unit of the last layer is ever positive again
        network.backbone.dense[-3].bias.fill_(-1e3)
    with pytest.raises(NotImplementedError, match="the same whatever the image shows"):
        find_place_layer(network, layer, torch.rand(1, 3, 32, 32), 1)


def test_probabilities_are_those_of_the_run_whatever_the_precision() -> None:
    """The last layer is exact: logits in bfloat16 would be rounded by up to three hundredths."""
    torch.manual_seed(0)
    network = build_network("basic_cnn", "scratch", 32, 5).eval()
    with torch.no_grad():
        last: Any = network.classifier[-1]
        last.bias += 9.0
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        embeddings = network.embed(images).float().numpy()
    found = NetworkExplainer(network, models["basic_cnn"], "bfloat16").classify(images)
    np.testing.assert_allclose(found, classify(network, embeddings), rtol=1e-5)
