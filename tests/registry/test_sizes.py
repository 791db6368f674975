"""Sizes that a model does not take are found before it has weights, and others are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from torch import Tensor, nn

from benchmark.cli import main
from benchmark.evaluation.cost import network_cost
from benchmark.study.suite import System
from registry import models
from registry.errors import PluginError, UserError
from registry.sizes import check_size
from registry.specs import ModelSpec


@pytest.mark.parametrize(
    ("name", "size", "fitting"),
    [
        ("basic_cnn", 7, "10"),
        ("residual_cnn", 8, "16"),
        ("convmixer", 9, "10"),
        ("vit_b_16", 250, "256"),
        ("timm:levit_128s", 100, "96 or 112"),
        ("timm:test_vit", 90, "80 or 96"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_the_nearest_that_do(
    name: str, size: int, fitting: str
) -> None:
    with pytest.raises(UserError) as refused:
        check_size(models[name], size)
    assert "\n" not in str(refused.value)
    assert re.search(rf"\b{fitting}\b", str(refused.value))
    assert f"--set data.image_size={fitting.split()[0]}" in str(refused.value)
    for one in fitting.split(" or "):
        check_size(models[name], int(one))


class Pooled(nn.Module):
    """The means of the colours."""

    num_features = 3

    def forward_features(self, x: Tensor) -> Tensor:
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean((2, 3))


class Looking(Pooled):
    """Cannot do without values."""

    def __init__(self, smallest: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, smallest)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv(x)
        return features if features.isfinite().all() else x


def test_a_model_whose_code_looks_at_values_is_tried_and_counted_with_values() -> None:
    spec = ModelSpec(name="looking", title="Looking", factory=lambda size: Looking(40))
    check_size(spec, 64)
    with pytest.raises(UserError, match=r"takes no images of 32 x 32 pixels, but of 40\b"):
        check_size(spec, 32)
    models.add(spec)
    try:
        cost = network_cost(System(model="looking", schedule="scratch"), 64, 2)
    finally:
        models.remove("looking")
    assert cost["flops"] > 2 * 3 * 3 * 40 * 40 * 25 * 25
    assert cost["params_total"] == 3 * 3 * 40 * 40 + 3 + 3 * 2 + 2


def test_embeddings_that_are_not_as_promised_are_told_in_the_models_terms() -> None:
    class Boasting(Pooled):
        num_features = 5

    spec = ModelSpec(name="boasting", title="Boasting", factory=lambda size: Boasting())
    with pytest.raises(PluginError, match=r"model boasting: .*\(2, 3\).* num_features=5"):
        check_size(spec, 64)


def test_a_model_that_never_works_says_why() -> None:
    def broken(size: int) -> nn.Module:
        raise KeyError("the layer")

    spec = ModelSpec(name="broken", title="Broken", factory=broken)
    with pytest.raises(PluginError, match=r"broken of the plugin tests\S* failed: KeyError"):
        check_size(spec, 64)


def test_the_command_line_refuses_a_size_in_one_line_and_leaves_nothing(
    workplace: Path, image_folder: Path
) -> None:
    arguments = ["run", "convmixer", "timm:levit_128s", "--data", str(image_folder), "--dry-run"]
    result = CliRunner().invoke(main, [*arguments, "--set", "data.image_size=100"])
    assert result.exit_code == 2
    assert result.output == (
        "Error: timm:levit_128s takes no images of 100 x 100 pixels, but of 96 or 112: "
        "--set data.image_size=96\n"
    )
    assert not any(workplace.iterdir())
