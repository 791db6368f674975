import pytest
import torch
from torch import Tensor

from benchmark.training.network import Network, build_network


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return build_network("resnet18", "scratch", 32, 3).eval()


@torch.inference_mode()
def logits(network: Network, images: Tensor) -> Tensor:
    result: Tensor = network(images)
    return result


def test_a_mirror_image_is_scored_like_the_image_and_both_by_their_mean(network: Network) -> None:
    images = torch.rand(4, 3, 32, 32)
    ahead, mirrored = logits(network, images), logits(network, images.flip(-1))
    assert not torch.allclose(ahead, mirrored)
    network.test_flip = True
    torch.testing.assert_close(logits(network, images), (ahead + mirrored) / 2)
    torch.testing.assert_close(logits(network, images), logits(network, images.flip(-1)))
    torch.testing.assert_close(logits(network.facing_ahead(), images), ahead)
    assert network.test_flip


def test_training_never_looks_into_the_mirror(network: Network) -> None:
    calls: list[int] = []
    network.backbone.layer4.register_forward_hook(lambda *_: calls.append(1))
    network.test_flip = True
    network.train()(torch.rand(4, 3, 32, 32))
    assert len(calls) == 1
