import copy
from functools import partial
from typing import Any, get_args

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from benchmark.study.config import TrainConfig
from benchmark.study.recipe import Optimizer
from benchmark.training.network import Network, build_network
from benchmark.training.optimization import Course, make_optimizer, rate


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build_network("resnet18", "staged", 32, 3)


def settings(**recipe: object) -> TrainConfig:
    return TrainConfig.model_validate({"lr": 0.1, "weight_decay": 0.5, **recipe})


def by_name(network: Network, config: TrainConfig) -> dict[str, tuple[float, float]]:
    """The rate and the weight decay with which each weight is stepped."""
    # By where it lies: the optimizer may hold a view of it.
    names = {parameter.data_ptr(): name for name, parameter in network.named_parameters()}
    found = {
        names[parameter.data_ptr()]: (group["lr"], group["weight_decay"])
        for group in make_optimizer(network, config).param_groups
        for parameter in group["params"]
    }
    assert found.keys() == set(names.values())
    return found


def test_the_study_decays_everything_alike(network: Network) -> None:
    assert set(by_name(network, settings()).values()) == {(0.1, 0.5)}


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("adamw", AdamW), ("sgd", SGD)])
def test_a_step_is_torchs_own(name: str, kind: type[Any]) -> None:
    """Ours lack the wrappers of torch's methods; weights, states and hooks are the same."""
    torch.manual_seed(0)
    ours = build_network("basic_cnn", "scratch", 32, 3)
    theirs = copy.deepcopy(ours)
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    first = make_optimizer(ours, settings(optimizer=name))
    second = kind(theirs.parameters(), lr=0.1, weight_decay=0.5, fused=True, **extra)
    assert isinstance(first, kind)
    for _ in range(2):
        images = torch.rand(4, 3, 32, 32)
        for network, optimizer in ((ours, first), (theirs, second)):
            network.zero_grad()
            network.eval()(images).logsumexp(1).sum().backward()
            optimizer.step()
        first.load_state_dict(copy.deepcopy(first.state_dict()))
    assert first.state_dict()["state"].keys() == second.state_dict()["state"].keys()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_norms_and_biases_are_not_decayed(network: Network) -> None:
    found = by_name(network, settings(decay_norms=False))
    for name, parameter in network.named_parameters():
        assert found[name] == (0.1, 0.5 if parameter.ndim > 1 else 0.0)


def test_the_backbone_may_learn_slower(network: Network) -> None:
    found = by_name(network, settings(backbone_lr=0.1))
    rates = {name.partition(".")[0]: lr for name, (lr, _) in found.items()}
    assert rates == {"backbone": pytest.approx(0.01), "classifier": 0.1}


def test_lower_layers_learn_slower(network: Network) -> None:
    found = by_name(network, settings(layer_decay=0.5, backbone_lr=0.5))
    rates = [found[name][0] for name, _ in network.named_parameters()]
    assert rates == sorted(rates)
    assert len(set(rates)) > 4
    assert found["classifier.0.weight"][0] == 0.1
    assert found["backbone.layer4.1.conv2.weight"][0] == pytest.approx(0.1 * 0.5 * 0.5)


def test_lower_blocks_of_a_transformer_learn_slower() -> None:
    vit = build_network("vit_b_16", "scratch", 32, 3)
    found = by_name(vit, settings(layer_decay=0.5, optimizer="adamw"))
    blocks = [
        found[f"backbone.encoder.layers.encoder_layer_{block}.mlp.0.weight"] for block in range(12)
    ]
    rates = [0.1 * 0.5 ** (12 - block) for block in range(12)]
    assert [lr for lr, _ in blocks] == pytest.approx(rates)
    assert {decay for _, decay in blocks} == {0.5}
    assert found["classifier.0.weight"] == (0.1, 0.5)
    assert found["backbone.encoder.layers.encoder_layer_11.ln_1.weight"][1] == 0
    assert found["backbone.encoder.pos_embedding"][0] < blocks[0][0]


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_every_optimizer_goes_down_with_every_weight(name: str) -> None:
    torch.manual_seed(0)
    network = build_network("basic_cnn", "scratch", 32, 3).eval()
    optimizer = make_optimizer(network, settings(optimizer=name, lr=0.001, weight_decay=0))
    images, labels = torch.rand(6, 3, 32, 32), torch.arange(6) % 3
    before = copy.deepcopy(network)
    losses = []
    for _ in range(5):
        loss = nn.functional.cross_entropy(network(images), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert losses == sorted(losses, reverse=True)
    for (name, weight), old in zip(network.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(weight, old), name


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_channels_last_weights_take_torchs_own_steps_as_they_lie_in_memory(name: str) -> None:
    torch.manual_seed(0)
    network = build_network("basic_cnn", "scratch", 32, 3)
    other = copy.deepcopy(network)
    for parameter in other.parameters():
        parameter.data = parameter.data.contiguous()
    options = settings(optimizer=name, lr=0.01, weight_decay=0.1)
    ours = make_optimizer(network, options)
    kinds: dict[str, Any] = {
        "adam": partial(torch.optim.Adam, foreach=False),
        "adamw": partial(torch.optim.AdamW, foreach=False),
        "sgd": partial(torch.optim.SGD, foreach=False, momentum=0.9, nesterov=True),
    }
    theirs = kinds[name](other.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(3):
        for one, twin in zip(network.parameters(), other.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            twin.grad = one.grad.contiguous()
        ours.step()
        theirs.step()
    for one, expected in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, expected)
    held = [parameter for group in ours.param_groups for parameter in group["params"]]
    assert all(parameter.is_contiguous() for parameter in held)
    assert {p.data_ptr() for p in held} == {p.data_ptr() for p in network.parameters()}


def test_the_rate_rises_then_falls_to_nothing_or_stays() -> None:
    falling = [rate(step, rising=10, steps=100, course="cosine") for step in range(101)]
    assert falling[:11] == pytest.approx([(step + 1) / 11 for step in range(11)])
    assert falling[10:] == sorted(falling[10:], reverse=True)
    assert falling[55] == pytest.approx(0.5)
    assert falling[100] == pytest.approx(0)
    assert {rate(step, rising=0, steps=9, course="constant") for step in range(9)} == {1}


def course(module: nn.Module, steps: int, **recipe: object) -> Course:
    optimizer = torch.optim.SGD(module.parameters(), lr=1)
    return Course(optimizer, module, settings(**recipe), steps)


def test_every_group_follows_the_course_at_its_own_rate() -> None:
    module = nn.Linear(2, 1)
    groups = [{"params": [module.weight], "lr": 0.5}, {"params": [module.bias], "lr": 0.1}]
    optimizer = torch.optim.SGD(groups)
    going = Course(optimizer, module, settings(lr_schedule="cosine", warmup=0.2), 10)
    for step in range(10):
        share = rate(step, rising=2, steps=10, course="cosine")
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([0.5 * share, 0.1 * share])
        going.step()
    assert rates[1] < 0.01  # nearly at the end of half a cosine


def test_a_long_gradient_is_cut() -> None:
    module = nn.Linear(2, 1, bias=False)
    before = module.weight.detach().clone()
    module.weight.grad = torch.tensor([[30.0, 40.0]])
    course(module, 1, clip_norm=1).step()
    torch.testing.assert_close(before - module.weight.detach(), torch.tensor([[0.6, 0.8]]))


def test_an_average_of_the_weights_is_kept_instead_of_the_last_ones() -> None:
    module = nn.Linear(1, 1, bias=False)
    averaged = course(module, 50, ema=0.9)
    assert isinstance(averaged.kept, nn.Linear)
    for _ in range(50):
        module.weight.grad = torch.ones(1, 1)  # the weight falls by one a step
        averaged.step()
    behind = float(averaged.kept.weight.detach()) - float(module.weight.detach())
    assert 3 < behind < 12  # about 0.9 / 0.1
    assert course(module, 50).kept is module
