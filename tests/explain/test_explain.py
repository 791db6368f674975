import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.explain.attention import attention_rollout
from benchmark.explain.explainers import NetworkExplainer, heatmaps
from benchmark.explain.gradcam import find_cam_layer, gradcam
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


def explain(network: Network, name: str, images: Tensor, classes: list[int]) -> Tensor:
    return heatmaps(NetworkExplainer(network, models[name]), images, np.array(classes))


def test_gradcam_lights_up_the_patch_that_decides() -> None:
    backbone = PatchDetector()
    linear = nn.Linear(1, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 4:12, 20:28] = 1.0
    network = Network(backbone, nn.Sequential(linear)).eval()
    heat = gradcam(backbone, backbone.conv, image, lambda x: network(x)[:, 1])
    inside = heat[0, 4:12, 20:28].sum()
    assert inside / heat.sum() > 0.8
    against = gradcam(backbone, backbone.conv, image, lambda x: network(x)[:, 0])
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


def test_gradcam_is_captums() -> None:
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    network = build_network("timm:resnet10t", "scratch", 64, 3).eval()
    images, layer = torch.rand(2, 3, 64, 64), network.backbone.layer3
    theirs = captum.LayerGradCam(network, layer).attribute(
        images.clone().requires_grad_(), target=torch.tensor([2, 0]), relu_attributions=True
    )
    chosen = torch.tensor([[2], [0]])
    ours = gradcam(network.backbone, layer, images, lambda x: network(x).gather(1, chosen))
    assert ours.max() > 0
    np.testing.assert_allclose(ours, theirs[:, 0].detach().numpy(), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("timm:mobilenetv3_small_050", "blocks.5"),  # a convolution follows the pooling
        ("timm:efficientnet_lite0", "blocks.6"),
        ("timm:resnet10t", "layer4"),
        ("timm:convnext_atto", "stages.3"),
    ],
)
def test_the_layer_of_timms_models_is_their_last_feature_map(name: str, layer: str) -> None:
    network = build_network(name, "scratch", 64, 3).eval()
    images = torch.rand(1, 3, 64, 64)
    found = find_cam_layer(network, None, images)
    assert found is network.backbone.get_submodule(layer)
    heat = gradcam(network.backbone, found, images, lambda x: network(x).square().sum(1))
    assert heat.shape == (1, 2, 2)


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
    assert find_cam_layer(network, None, torch.rand(1, 3, 8, 8)) is backbone.conv


def test_a_wrong_cam_layer_is_named() -> None:
    network = build_network("convmixer", "scratch", 32, 3)
    with pytest.raises(ValueError, match="'nowhere' is no layer"):
        find_cam_layer(network, "nowhere", torch.rand(1, 3, 32, 32))
