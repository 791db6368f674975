"""Which epoch's weights are kept, and when a training ends."""

import copy
import math

import pytest
import torch

from benchmark.training.images import Examples
from benchmark.training.trainer import Diverged, Trainer
from tests.training.test_trainer import backbone_state, changed, make, settings


def test_early_stopping_waits_for_its_patience_and_restores_the_best_weights(
    examples: Examples,
) -> None:
    network = make("basic_cnn", "scratch")
    # The rate is so high that training soon gets worse.
    config = settings(epochs=40, patience=2, lr=0.05, monitor="val_loss")
    trainer = Trainer(network, examples, config, "scratch", 0)
    history = []
    best_state: dict[str, torch.Tensor] = {}
    for result in trainer.fit():
        history.append(result)
        if result.val_loss == min(past.val_loss for past in history):
            best_state = copy.deepcopy(network.state_dict())
    best = min(history, key=lambda result: result.val_loss)
    assert [result.epoch for result in history] == list(range(1, best.epoch + 2 + 1))
    assert len(history) < 40
    assert trainer.best.result == best
    restored = network.state_dict()
    assert all(torch.equal(best_state[name], restored[name]) for name in restored)


Validation = list[tuple[float, float]]


def validate(
    monkeypatch: pytest.MonkeyPatch, trainer: Trainer, results: Validation
) -> tuple[int, int]:
    """Train with given validation losses and accuracies -> the best epoch, how many there were."""
    found = iter(results)
    monkeypatch.setattr(trainer, "_validate", lambda *arguments: next(found))
    history = list(trainer.fit())
    assert [result.epoch for result in history] == list(range(1, len(history) + 1))
    assert trainer.best.result is not None
    return trainer.best.result.epoch, len(history)


# An overconfident network: the loss rises while the accuracy grows.
OVERCONFIDENT = [(1.0, 0.2), (1.5, 0.2), (2.0, 0.5), (1.9, 0.5), (2.5, 0.4)]


@pytest.mark.parametrize(
    ("monitor", "patience", "expected"),
    [
        ("val_accuracy", 5, (4, 5)),
        ("val_accuracy", 1, (1, 2)),
        ("val_loss", 5, (1, 5)),
        ("val_loss", 2, (1, 3)),
        ("val_loss", None, (1, 5)),
    ],
)
def test_the_best_epoch_and_patience_follow_what_is_monitored(
    examples: Examples,
    monkeypatch: pytest.MonkeyPatch,
    monitor: str,
    patience: int | None,
    expected: tuple[int, int],
) -> None:
    config = settings(epochs=5, monitor=monitor, patience=patience)
    trainer = Trainer(make("basic_cnn", "scratch"), examples, config, "scratch", 0)
    assert validate(monkeypatch, trainer, OVERCONFIDENT) == expected


def test_a_fine_tuned_network_is_not_the_frozen_one_because_that_was_less_sure(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make("resnet18", "staged")
    before = backbone_state(network)
    trainer = Trainer(network, examples, settings(), "staged", 0)
    assert validate(monkeypatch, trainer, OVERCONFIDENT) == (3 + 1, 4)
    assert changed(before, network)


def test_staged_training_restores_a_best_epoch_from_before_the_backbone_changed(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make("resnet18", "staged")
    before = backbone_state(network)
    trainer = Trainer(network, examples, settings(), "staged", 0)
    results = [(0.5, 0.5), (0.1, 0.9), (0.9, 0.1), (0.9, 0.1)]  # the second, still frozen, is best
    assert validate(monkeypatch, trainer, results) == (2, 4)
    assert changed(before, network) == set()


def test_patience_neither_ends_the_frozen_epochs_nor_counts_from_their_best(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(epochs=20, freeze_epochs=4, patience=2)
    trainer = Trainer(make("resnet18", "staged"), examples, config, "staged", 0)
    frozen = [(0.1, 0.9), (0.9, 0.5), (0.9, 0.5), (0.9, 0.5)]
    unfrozen = [(0.9, 0.2), (0.9, 0.3), (0.9, 0.4), (0.9, 0.4), (0.9, 0.3)]
    assert validate(monkeypatch, trainer, frozen + unfrozen) == (1, 9)


def test_a_loss_that_is_no_number_stops_with_advice(examples: Examples) -> None:
    network = make("basic_cnn", "scratch")
    with torch.no_grad():
        network.classifier[0].bias.fill_(math.nan)  # type: ignore[operator]
    with pytest.raises(Diverged, match=r"epoch 1 .*--set train.lr=0.0001"):
        list(Trainer(network, examples, settings(), "scratch", 0).fit())
