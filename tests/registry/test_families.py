"""timm's families: forward, embedding, training step and map of a small model of each.

A few of each kind are always tried; all of them with: pytest -m families
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.explain.explainers import ENOUGH_PLACES, NetworkExplainer
from benchmark.explain.feature_maps import PlaceLayer, find_place_layer
from benchmark.training.network import Network, build_network
from registry import models
from registry.errors import PluginError, UserError
from registry.sizes import check_size

CLASSES = 3
SIZES = (128, 224, 256)
FEW = """
    resnet10t convnext_atto mobilenetv3_small_050 nf_resnet26 lambda_resnet26t test_vit
    deit_tiny_distilled_patch16_224 vit_pwee_patch16_reg1_gap_256 swin_tiny_patch4_window7_224
    hieradet_small hiera_tiny_224 mixer_s32_224 gmlp_ti16_224 pit_ti_224 levit_128s
    xcit_nano_12_p16_224 coat_lite_tiny vit_tiny_r_s16_p8_224 efficientvim_m1 mobilevit_xxs
"""
MANY = """
    aimv2_large_patch14_224 bat_resnext26ts beit_base_patch16_224 botnet26t_256 caformer_s18
    cait_xxs24_224 coat_tiny coatnet_nano_rw_224 convformer_s18 convit_tiny convmixer_768_32
    convnextv2_atto crossvit_tiny_240 cs3darknet_s csatv2 cspdarknet53 cspnext_tiny cspresnet50
    darknet17 davit_tiny deit3_small_patch16_224 densenet121 dla46_c dm_nfnet_f0 dpn48b
    eca_nfnet_l0 ecaresnet26t edgenext_xx_small efficientformer_l1 efficientformerv2_s0
    efficientnet_b0 efficientnetv2_rw_t efficientvit_b0 efficientvit_m0 ese_vovnet19b_slim_dw
    eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 fbnetc_100 fbnetv3_b flexivit_small
    focalnet_tiny_srf gcresnet33ts gcvit_xxtiny gernet_s ghostnet_050 ghostnetv2_100 gmixer_12_224
    halonet26t hardcorenas_a hgnet_tiny hgnetv2_b0 hrnet_w18_small iformer_t
    inception_next_atto inception_resnet_v2 inception_v3 inception_v4 lamhalobotnet50ts_256
    lcnet_035 lcnetv2_small legacy_seresnet18 legacy_xception levit_conv_128s lowformer_b0
    mambaout_femto maxvit_pico_rw_256 maxxvitv2_nano_rw_256 mixnet_s mnasnet_small
    mobilenet_edgetpu_100 mobilenetv1_100 mobilenetv2_035 mobilenetv4_conv_small mobilenetv5_base
    mobileone_s0 mobilevitv2_050 mvitv2_small_cls mvitv2_tiny naflexvit_base_patch16_gap
    naflexvit_base_patch16_map nasnetalarge nest_tiny nextvit_small nf_regnet_b0
    pit_ti_distilled_224 pnasnet5large poolformer_s12 pvt_v2_b0 qwen3_vit_88m rdnet_tiny
    regnetx_002 regnety_002 regnetz_005 repghostnet_050 repvgg_a0 repvit_m1 res2net50_26w_4s
    resmlp_12_224 resnest14d resnetv2_18 rexnet_100 samvit_base_patch16_224 selecsls42
    semnasnet_050 sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs swinv2_cr_tiny_224
    swinv2_tiny_window8_256 test_vit2 tiny_vit_5m_224 tinynet_e tnt_s_patch16_224 tresnet_m
    twins_pcpvt_small twins_svt_small vgg11_bn visformer_tiny vit_base_patch16_siglip_224
    vit_relpos_small_patch16_224 vit_small_patch14_reg4_dinov2 vit_small_patch16_dinov3
    vit_small_resnet26d_224 vit_tiny_patch16_224 vitamin_small_224 volo_d1_224 xception41
"""
GLOBAL = {"timm:efficientvim_m1", "timm:convmixer_768_32"}
"""Their maps, (N, C, h, w), can be read in one way only."""
DRAWN = 8
"""Images over which what changes is summed: of one alone, fresh weights may say anything."""


@pytest.fixture(
    scope="module",
    params=[*FEW.split(), *(pytest.param(n, marks=pytest.mark.families) for n in MANY.split())],
)
def name(request: pytest.FixtureRequest) -> str:
    return f"timm:{request.param}"


def fits(name: str, size: int) -> bool:
    try:
        check_size(models[name], size)
    except (UserError, PluginError):
        return False
    return True


def calibrate(network: Network, size: int) -> None:
    """Let batch normalisation know its statistics: fresh ones let nothing of an image through."""
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.momentum = 1.0  # type: ignore[assignment]
    with torch.no_grad():
        network.train()(torch.rand(4, 3, size, size))


@pytest.fixture(scope="module")
def sized(name: str) -> tuple[Network, int]:
    """A model for the smallest size that it takes and that leaves it 4 x 4 places, or for its own.

    Returns:
        The network, and the side of its images in pixels.
    """
    own = models[name].input.size or 224
    sizes = [size for size in (*SIZES, own) if fits(name, size)]
    assert sizes, "it does not take its own size"
    for size in sizes:
        torch.manual_seed(0)
        made = build_network(name, "staged", size, CLASSES)
        calibrate(made, size)
        images = torch.rand(1, 3, size, size)
        if place_layer(name, made, images).layout.side >= 4:
            break
    return made, size


@pytest.fixture(scope="module")
def network(sized: tuple[Network, int]) -> Network:
    return sized[0]


@pytest.fixture(scope="module")
def images(sized: tuple[Network, int]) -> Tensor:
    _, size = sized
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_the_embedding_is_the_input_of_the_last_linear_layer(
    network: Network, images: Tensor
) -> None:
    network.eval()
    seen: list[Tensor] = []
    last: Any = network.classifier[-1]
    assert isinstance(last, nn.Linear)
    hook = last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        logits, embeddings = network(images), network.embed(images)
    hook.remove()
    assert logits.shape == (2, CLASSES)
    assert embeddings.shape == (2, network.backbone.num_features) == seen[0].shape
    assert embeddings.isfinite().all()
    torch.testing.assert_close(seen[0], embeddings)
    assert (embeddings[0] - embeddings[1]).abs().max() > 1e-6


def test_a_training_step_reaches_the_first_layer(network: Network, images: Tensor) -> None:
    first = next(parameter for parameter in network.backbone.parameters() if parameter.ndim > 1)
    loss = nn.functional.cross_entropy(network.train()(images), torch.tensor([0, 2]))
    (gradient,) = torch.autograd.grad(loss, [first])
    assert gradient.isfinite().all()


def place_layer(name: str, network: Network, images: Tensor) -> PlaceLayer:
    return find_place_layer(network.eval(), models[name].cam_layer, images, ENOUGH_PLACES)[0]


def test_the_map_is_finite_and_as_large_as_the_networks_grid(
    name: str, network: Network, images: Tensor
) -> None:
    found = NetworkExplainer(network.eval(), models[name]).heat(images, np.array([0, 1]))
    assert len(found.maps) == 2
    assert found.maps.isfinite().all()
    assert found.maps.min() >= 0
    height, width = found.maps.shape[1:]
    assert height == width > 1


def test_what_changes_in_a_corner_of_the_image_changes_in_that_corner_of_the_layer(
    name: str, network: Network, images: Tensor
) -> None:
    """A layout with channels in the wrong place, or tokens in another order, spreads it."""
    if name in GLOBAL:
        pytest.skip("its fresh weights mix all places")
    layer = place_layer(name, network, images)
    side = images.shape[-1]
    corner = side // 4
    many = torch.rand(DRAWN, 3, side, side, generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def maps(images: Tensor) -> Tensor:
        with layer.cut() as outputs:
            network.pool(images)
        return layer.layout.maps(outputs[0].detach())

    before, hits = maps(many), 0
    for y in (slice(corner), slice(-corner, None)):
        for x in (slice(corner), slice(-corner, None)):
            changed = many.clone()
            changed[..., y, x] = 1 - changed[..., y, x]
            difference = (maps(changed) - before).abs().sum((0, 1))
            half = len(difference) // 2
            sides = {"low": slice(half), "high": slice(-half, None)}
            quarters = {
                (i, j): float(difference[sides[i], sides[j]].sum()) for i in sides for j in sides
            }
            here = ("low" if y.start is None else "high", "low" if x.start is None else "high")
            hits += max(quarters, key=lambda quarter: quarters[quarter]) == here
    assert hits >= 3
