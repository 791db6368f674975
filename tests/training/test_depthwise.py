"""Depthwise convolutions train in float32 on a processor, and never by cuDNN on a GPU."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.training.network import Network, build_network


def depthwise(network: nn.Module) -> list[nn.Conv2d]:
    convolutions = [one for one in network.modules() if isinstance(one, nn.Conv2d)]
    return [one for one in convolutions if one.groups == one.in_channels > 1]


def precisions(network: Network) -> tuple[set[torch.dtype], set[torch.dtype]]:
    """Of the results of depthwise and of all other convolutions, in bfloat16 autocast."""
    single, dense = set[torch.dtype](), set[torch.dtype]()
    special = set(map(id, depthwise(network)))

    def note(module: nn.Module, _: tuple[Tensor, ...], result: Tensor) -> None:
        (single if id(module) in special else dense).add(result.dtype)

    hooks = [
        one.register_forward_hook(note) for one in network.modules() if isinstance(one, nn.Conv2d)
    ]
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.rand(2, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return single, dense


@pytest.mark.parametrize("model", ["convmixer", "efficientnet_lite0"])
def test_training_is_in_float32_for_depthwise_convolutions_alone(model: str) -> None:
    network = build_network(model, "scratch", 64, 3)
    assert depthwise(network)
    assert precisions(network.train()) == ({torch.float32}, {torch.bfloat16})
    assert precisions(network.eval()) == ({torch.bfloat16}, {torch.bfloat16})


def test_a_copy_has_weights_of_its_own_under_the_same_names() -> None:
    network = build_network("convmixer", "scratch", 32, 3).train()
    copy = deepcopy(network)
    images = torch.rand(2, 3, 32, 32)
    before = copy(images)
    with torch.no_grad():
        for one in depthwise(network):
            one.weight.zero_()
    torch.testing.assert_close(copy(images), before)
    assert list(copy.state_dict()) == list(network.state_dict())


def test_without_autocast_nothing_changes() -> None:
    torch.manual_seed(0)
    network = build_network("convmixer", "scratch", 32, 3).train()
    (first, *_) = depthwise(network)
    channels = first.in_channels
    plain = nn.Conv2d(channels, channels, first.kernel_size[0], padding="same", groups=channels)
    plain.load_state_dict(first.state_dict())
    images = torch.rand(2, first.in_channels, 8, 8)
    assert torch.equal(first(images), plain(images))


def test_a_gpu_computes_them_without_cudnn_and_all_others_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build_network("convmixer", "scratch", 32, 3)
    enabled = []
    monkeypatch.setattr(
        nn.Conv2d, "_conv_forward", lambda *_: enabled.append(torch.backends.cudnn.enabled)
    )
    images: Any = SimpleNamespace(device=torch.device("cuda"))  # no more is looked at before
    (first, *_) = depthwise(network)
    first(images)
    dense = next(m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == 1)
    dense(images)
    assert enabled == [False, True]
