import pytest
import torch
from torch import nn

from benchmark.data.prepared import PreparedData
from benchmark.evaluation.cost import count_flops, network_cost, time_inference
from benchmark.study.config import TrainConfig
from benchmark.study.suite import System
from benchmark.training.images import Examples, image_examples
from benchmark.training.network import Network, meta_network
from registry import ModelSpec, models


class OneConvolution(nn.Module):
    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.conv(x)
        return features

    def forward_head(self, x: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        return x.mean((2, 3))


def test_flops_are_two_for_each_multiplication() -> None:
    with torch.device("meta"):
        network = Network(OneConvolution(), nn.Sequential(nn.Linear(4, 5)))
    assert count_flops(network, 8) == 2 * (8 * 8 * 4 * 27 + 4 * 5)


@pytest.mark.parametrize("most", [4, 32])
def test_inference_is_timed_in_batches_that_the_memory_holds(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    sizes: list[int] = []

    def pool(network: Network, images: torch.Tensor) -> torch.Tensor:
        if len(images) > most:
            raise torch.OutOfMemoryError
        sizes.append(len(images))
        return images.mean((2, 3))

    monkeypatch.setattr(Network, "pool", pool)
    network = Network(torch.nn.Identity(), nn.Sequential(nn.Linear(3, 3)))
    images = image_examples(data, torch.device("cpu"))
    rows = data.rows("train")
    monkeypatch.setattr(Examples, "rows", lambda examples, split: torch.from_numpy(rows))
    assert time_inference(network, images, TrainConfig(precision="float32")) > 0
    assert max(sizes) <= most
    assert sum(sizes) >= len(rows)
    if most == 32:
        warm = sizes[: -len(sizes) // 2]
        assert sum(sizes) == sum(warm) + len(rows)  # each once
        assert {*warm} == {*sizes}  # a GPU prepares itself for each size


def test_attention_is_counted() -> None:
    tokens, width, layers = 5, 768, 12  # 32 x 32 pixels are four patches and the class token
    attention = layers * 2 * 2 * tokens * tokens * width
    linear = layers * 2 * tokens * 12 * width * width
    patches = 2 * 4 * 768 * width
    network = meta_network("vit_b_16", "scratch", 32, 10)
    assert count_flops(network, 32) == attention + linear + patches + 2 * width * 10


def test_counting_draws_no_random_numbers_of_the_run_in_whose_midst_it_is_done() -> None:
    """Else a run's results hang on whether another of its kind was counted in that process."""

    class Looks(OneConvolution):
        def __init__(self) -> None:
            super().__init__()
            self.conv.weight.sum().item()  # which the meta device refuses

    models.add(ModelSpec(name="looks", title="Looks", factory=lambda size: Looks()))
    try:
        before = torch.get_rng_state()
        network_cost(System(model="looks", schedule="scratch"), 8, 3)
        assert torch.get_rng_state().equal(before)
    finally:
        models.remove("looks")


def test_only_the_deep_head_of_a_frozen_network_is_trainable() -> None:
    cost = network_cost(System(model="resnet18", schedule="frozen"), 240, 151)
    assert cost["params_total"] == 11_609_303
    assert cost["params_trainable"] == 432_791
    staged = network_cost(System(model="resnet18", schedule="staged"), 240, 151)
    assert staged["params_trainable"] == staged["params_total"] == 11_253_975


def test_who_looks_into_the_mirror_computes_twice() -> None:
    system = System(model="basic_cnn", schedule="scratch")
    once, twice = (network_cost(system, 32, 3, test_flip=flips) for flips in (False, True))
    assert twice == {**once, "flops": 2 * once["flops"]}
