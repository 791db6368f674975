"""Which recipe a system has in the preset in which each has its own."""

from __future__ import annotations

import pytest

from benchmark.study.presets import tuned
from benchmark.study.tuned import TEACHER


@pytest.mark.parametrize(
    "model", ["vit_b_16", "timm:vit_small_patch16_224", "timm:swin_tiny_patch4_window7_224"]
)
def test_transformers_of_timm_are_trained_as_the_studys(model: str) -> None:
    config = tuned()
    scratch = config.train_of(f"{model}-scratch")
    assert (scratch.lr, scratch.teacher) == (0.0003, TEACHER)
    staged = config.train_of(f"{model}-staged")
    assert (staged.lr, staged.layer_decay, staged.backbone_lr) == (0.0003, 0.75, 0.1)
    assert config.train_of(f"{model}-frozen").layer_decay == 1


@pytest.mark.parametrize("model", ["resnet18", "timm:fastvit_t8", "timm:mobilevit_s"])
def test_convolutional_networks_are_fine_tuned_at_two_rates(model: str) -> None:
    staged = tuned().train_of(f"{model}-staged")
    assert (staged.lr, staged.layer_decay, staged.backbone_lr) == (0.005, 1, 0.1)
