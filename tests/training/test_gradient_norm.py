"""How long a backbone's gradient is, by which one sees that a training is stuck."""

import math

from torch import nn

from benchmark.ranking.remarks import DEAD
from benchmark.training.images import Examples
from benchmark.training.trainer import Trainer
from tests.training.test_trainer import make, settings


def test_a_network_whose_activations_are_dead_has_no_gradient(examples: Examples) -> None:
    def norms(bias: float) -> list[float]:
        network = make("basic_cnn", "scratch")
        last = [one for one in network.backbone.modules() if isinstance(one, nn.Linear)][-1]
        assert last.bias is not None
        last.bias.data.fill_(bias)
        return [
            result.gradient_norm
            for result in Trainer(network, examples, settings(), "scratch", 0).fit()
        ]

    assert min(norms(0)) > DEAD
    assert max(norms(-1e6)) == 0


def test_a_gradient_is_measured_before_it_is_clipped(examples: Examples) -> None:
    def norm(**changes: object) -> float:
        config = settings(epochs=1, batch_size=64, **changes)
        (result,) = Trainer(make("convmixer", "scratch"), examples, config, "scratch", 0).fit()
        return result.gradient_norm

    assert norm(clip_norm=1e-3) == norm() > 0.01


def test_a_frozen_backbone_has_no_gradient_to_tell_of(examples: Examples) -> None:
    trainer = Trainer(make("resnet18", "staged"), examples, settings(), "staged", 0)
    norms = [result.gradient_norm for result in trainer.fit()]
    assert [math.isnan(norm) for norm in norms] == [
        epoch < trainer.frozen_epochs for epoch in range(len(norms))
    ]
