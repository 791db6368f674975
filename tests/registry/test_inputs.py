"""Models of timm get the images that they were made for, and embed them."""

from typing import Any

import pytest
import torch

from benchmark.training.network import build_network, meta_network
from registry import InputSpec, models
from registry.specs import STUDY_INPUT

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
FAMILIES = {
    # Convolutions
    "resnet10t": 176,
    "convnext_atto": 224,
    "vgg11": 224,
    "densenet121": 224,
    "regnety_002": 224,
    "inception_v3": 299,
    # Mobile
    "mobilenetv3_small_050": 224,
    "mobilenetv4_conv_small": 224,
    "tf_efficientnet_lite1": 240,
    "ghostnet_050": 224,
    "fastvit_t8": 256,
    "repvit_m0_9": 224,
    # Without norms
    "nf_regnet_b0": 192,
    "dm_nfnet_f0": 192,
    # ViTs with a class token, without one, with registers, of patch 14
    "vit_tiny_patch16_224": 224,
    "vit_base_patch16_gap_224": 224,
    "vit_little_patch16_reg1_gap_256": 256,
    "vit_small_patch14_dinov2": 518,
    "beit_base_patch16_224": 224,
    "eva02_tiny_patch14_224": 224,
    "cait_xxs24_224": 224,
    "xcit_nano_12_p16_224": 224,
    # Distilled
    "deit_tiny_distilled_patch16_224": 224,
    "levit_128s": 224,
    "efficientformer_l1": 224,
    # Windows
    "swin_tiny_patch4_window7_224": 224,
    "swinv2_tiny_window8_256": 256,
    "maxvit_rmlp_pico_rw_256": 256,
    # Hybrids
    "coatnet_nano_rw_224": 224,
    "mobilevit_xxs": 256,
    "edgenext_xx_small": 256,
    "crossvit_tiny_240": 240,
    "pvt_v2_b0": 224,
    # MLPs and others without attention
    "mixer_s32_224": 224,
    "resmlp_12_224": 224,
    "gmlp_ti16_224": 224,
    "poolformer_s12": 224,
}


@pytest.mark.parametrize(("name", "size"), FAMILIES.items())
def test_a_model_of_timm_embeds_images_of_its_own_size(name: str, size: int) -> None:
    spec = models[f"timm:{name}"]
    assert spec.input.size == size
    for schedule in ("staged", "frozen"):
        network = meta_network(spec.name, schedule, size, 5).eval()
        with torch.device("meta"), torch.no_grad():
            images = torch.empty(2, 3, size, size)
            assert network.embed(images).shape == (2, network.backbone.num_features)
            assert network(images).shape == (2, 5)
        assert len(network.classifier) == 1


def test_an_input_is_what_timm_says_of_its_weights() -> None:
    assert models["timm:resnet50"].input == InputSpec(
        size=224, aspect="crop", crop=0.95, interpolation="bicubic", **IMAGENET
    )
    assert models["timm:eva02_base_patch14_448"].input.aspect == "squash"


def test_the_studys_models_get_its_own_input() -> None:
    names = ("basic_cnn", "residual_cnn", "convmixer", "resnet18", "vit_b_16")
    assert {models[name].input for name in names} == {STUDY_INPUT}


def test_a_network_normalizes_what_its_backbone_is_given() -> None:
    network = build_network("timm:resnet10t", "frozen", 64, 3).eval()
    given: list[Any] = []
    network.backbone.conv1.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        network(images)
    mean, std = (torch.tensor(IMAGENET[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    torch.testing.assert_close(given[0], (images - mean) / std)
    assert not any("mean" in name and "running" not in name for name in network.state_dict())
    study = build_network("convmixer", "scratch", 64, 3).eval()
    first = next(module for module in study.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    with torch.no_grad():
        study(images)
    assert given[-1] is images
