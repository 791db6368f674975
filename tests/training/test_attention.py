"""How attention is computed in training."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile

from benchmark.study.config import Precision, TrainConfig
from benchmark.training import devices
from benchmark.training.attention import attention_for
from benchmark.training.devices import computes_bfloat16
from benchmark.training.images import Examples
from benchmark.training.network import Network
from benchmark.training.trainer import Trainer


@pytest.mark.parametrize(
    ("side", "is_bfloat16", "plain"), [(64, True, True), (224, True, False), (64, False, False)]
)
def test_small_images_need_no_fused_attention_in_bfloat16(
    side: int, is_bfloat16: bool, plain: bool
) -> None:
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    query = torch.rand(1, 2, 5, 8, dtype=dtype)
    images = torch.rand(1, 3, side, side)
    attention = attention_for(images, is_bfloat16=is_bfloat16)
    with profile(activities=[ProfilerActivity.CPU]) as profiled, attention:
        found = scaled_dot_product_attention(query, query, query)
    used = {event.key for event in profiled.key_averages()}
    assert ("aten::_scaled_dot_product_attention_math" in used) == plain
    expected = scaled_dot_product_attention(query.float(), query.float(), query.float())
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("capabilities", "is_able"),
    [({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)
def test_a_processor_is_asked_whether_it_multiplies_bfloat16(
    capabilities: dict[str, bool], is_able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert computes_bfloat16.__wrapped__(torch.device("cpu")) is is_able


class Attends(nn.Module):
    """A backbone that remembers in what it computes, and whether attention is torch's fused."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.seen: set[tuple[torch.dtype, bool]] = set()

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        dtype = torch.mm(x[0, 0], x[0, 0]).dtype
        if self.training:
            self.seen.add((dtype, torch._C._get_flash_sdp_enabled()))
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        return x.mean((2, 3)) * self.scale


@pytest.mark.parametrize(
    ("precision", "is_able", "is_bfloat16"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("float32", True, False),
        ("bfloat16", False, True),
    ],
)
def test_small_images_are_trained_on_in_the_precision_and_attention_that_are_fast(
    examples: Examples,
    monkeypatch: pytest.MonkeyPatch,
    precision: Precision,
    is_able: bool,
    is_bfloat16: bool,
) -> None:
    monkeypatch.setattr(devices, "computes_bfloat16", lambda device: is_able)
    backbone = Attends()
    network = Network(backbone, nn.Sequential(nn.Linear(3, 3)))
    config = TrainConfig(epochs=1, batch_size=8, precision=precision)
    list(Trainer(network, examples, config, "scratch", 0).fit())
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    assert backbone.seen == {(dtype, not is_bfloat16)}
