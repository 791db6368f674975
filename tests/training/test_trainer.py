import copy
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.study.config import TrainConfig
from benchmark.study.recipe import Optimizer
from benchmark.training.epochs import EpochResult
from benchmark.training.images import Examples, batches, shuffled
from benchmark.training.loss import Loss, Targets
from benchmark.training.network import Network, build_network, linear_classifier
from benchmark.training.trainer import Trainer
from registry.specs import Schedule

CPU = torch.device("cpu")


def make(model: str, schedule: Schedule, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build_network(model, schedule, 32, 3)


def settings(**changes: object) -> TrainConfig:
    defaults = {"epochs": 4, "batch_size": 8, "freeze_epochs": 2, "precision": "float32"}
    return TrainConfig.model_validate({**defaults, **changes})


def backbone_state(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}


def changed(before: dict[str, torch.Tensor], network: Network) -> set[str]:
    after = network.backbone.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_network_learns_colours_from_scratch(examples: Examples) -> None:
    network = make("convmixer", "scratch")
    config = settings(epochs=20, patience=20)  # batch statistics take their time
    trainer = Trainer(network, examples, config, "scratch", 0)
    history = list(trainer.fit())
    assert history[-1].train_accuracy > 0.9
    assert trainer.best.result is not None
    assert trainer.best.result.val_accuracy > 0.9


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(examples: Examples) -> None:
    def losses(seed: int) -> list[float]:
        trainer = Trainer(make("basic_cnn", "scratch", seed), examples, settings(), "scratch", seed)
        return [result.train_loss for result in trainer.fit()]

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_a_frozen_backbone_never_changes_its_batch_statistics_included(examples: Examples) -> None:
    network = make("resnet18", "frozen")
    before = backbone_state(network)
    classifier = copy.deepcopy(network.classifier.state_dict())
    list(Trainer(network, examples, settings(), "frozen", 0).fit())
    assert changed(before, network) == set()
    assert not torch.equal(classifier["0.weight"], network.classifier.state_dict()["0.weight"])


def test_staged_training_frees_the_backbone_after_its_frozen_epochs(examples: Examples) -> None:
    network = make("resnet18", "staged")
    before = backbone_state(network)
    changed_by_epoch = [
        bool(changed(before, network))
        for _ in Trainer(network, examples, settings(patience=4), "staged", 0).fit()
    ]
    assert changed_by_epoch == [False, False, True, True]


def test_training_on_stored_features_equals_running_the_frozen_backbone_every_epoch(
    examples: Examples,
) -> None:
    fast = make("resnet18", "frozen")
    plain = copy.deepcopy(fast)
    config = settings(epochs=3, patience=3)
    torch.manual_seed(5)  # dropout
    fast_losses = [
        result.train_loss for result in Trainer(fast, examples, config, "frozen", 0).fit()
    ]

    torch.manual_seed(5)
    optimizer = torch.optim.Adam(plain.classifier.parameters(), lr=config.lr)
    plain_losses = []
    for epoch in range(3):
        plain.backbone.eval()
        plain.classifier.train()
        total = 0.0
        rows = shuffled(examples.rows("train"), 0, epoch)
        for batch in batches(rows, config.batch_size):
            images, labels = examples.batch(batch), examples.labels_of(batch)
            with torch.no_grad():
                features = plain.pool(images)
            loss = cross_entropy(plain.classifier(features), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += float(loss.detach()) * len(labels)
        plain_losses.append(total / len(rows))
    assert fast_losses == pytest.approx(plain_losses, rel=1e-4)


def test_accuracies_are_exact_shares_of_the_images(examples: Examples) -> None:
    results = list(Trainer(make("convmixer", "scratch"), examples, settings(), "scratch", 0).fit())
    assert any(0 < result.val_accuracy < 1 for result in results)
    for result in results:
        for accuracy, split in ((result.train_accuracy, "train"), (result.val_accuracy, "val")):
            images = len(examples.rows(split))  # type: ignore[arg-type]
            assert accuracy == round(accuracy * images) / images


def test_a_recipe_of_everything_trains_and_keeps_the_average(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples.teacher = torch.eye(3)[examples.labels]
    everything = {
        "optimizer": "adamw",
        "lr_schedule": "cosine",
        "warmup": 0.2,
        "decay_norms": False,
        "layer_decay": 0.9,
        "backbone_lr": 0.5,
        "clip_norm": 1,
        "ema": 0.5,
        "label_smoothing": 0.1,
        "class_weights": True,
        "flip": True,
        "crop": 0.5,
        "auto_augment": "trivial",
        "erasing": 0.5,
        "mixup": 0.5,
        "cutmix": 0.5,
        "start_size": 0.5,
    }
    network = make("resnet18", "staged")
    sides: list[int] = []
    validated: list[dict[str, torch.Tensor]] = []
    forward, validate = network.pool, Trainer._validate

    def pool(images: torch.Tensor) -> torch.Tensor:
        sides.append(images.shape[-1])
        return forward(images)

    def watch(*arguments: object) -> tuple[float, float]:
        validated.append(copy.deepcopy(arguments[1].state_dict()))  # type: ignore[attr-defined]
        return validate(*arguments)  # type: ignore[arg-type]

    mixed: list[Tensor] = []
    mix = Loss.mix

    def mix_and_tell(loss: Loss, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        both = mix(loss, images, targets)
        mixed.extend(both[1].labels)
        return both

    monkeypatch.setattr(network, "pool", pool)
    monkeypatch.setattr(Trainer, "_validate", watch)
    monkeypatch.setattr(Loss, "mix", mix_and_tell)
    config = settings(epochs=8, freeze_epochs=2, patience=None, **everything)
    trainer = Trainer(network, examples, config, "staged", 0)
    assert len(list(trainer.fit())) == 8
    assert {16, 24, 32} <= set(sides)
    assert len(mixed) == 6 * 30  # but for the two epochs on stored features
    assert any(0 < labels.max() < 1 for labels in mixed)
    assert trainer.best.result is not None
    assert trainer.best.result.epoch > 2
    assert trainer.best.result.val_accuracy > 0.6
    kept = validated[trainer.best.result.epoch - 1]
    assert all(torch.equal(kept[name], value) for name, value in network.state_dict().items())


def limit_memory(network: Network, images: int) -> None:
    """Let the backbone take no more images at a time."""
    whole = network.backbone.forward_features

    def forward_features(x: torch.Tensor) -> torch.Tensor:
        if len(x) > images:
            raise torch.OutOfMemoryError
        features: torch.Tensor = whole(x)
        return features

    network.backbone.forward_features = forward_features


@pytest.mark.parametrize("weighted", [False, True])
def test_a_full_memory_divides_batches_and_changes_nothing_else(
    examples: Examples, caplog: pytest.LogCaptureFixture, weighted: bool
) -> None:
    if weighted:
        rows, labels = examples.rows("train"), examples.labels
        few = rows[labels[rows] == 0][:4]
        examples._rows["train"] = torch.cat([few, rows[labels[rows] != 0]])
    whole = make("basic_cnn", "scratch")
    for module in whole.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # its draws depend on the pieces
    divided = copy.deepcopy(whole)
    limit_memory(divided, 3)
    config = settings(class_weights=weighted)
    trainers = [Trainer(one, examples, config, "scratch", 0) for one in (whole, divided)]
    losses = [[(r.train_loss, r.val_loss) for r in trainer.fit()] for trainer in trainers]
    assert losses[1] == [pytest.approx(pair, rel=1e-3) for pair in losses[0]]
    assert [trainer.pieces.count for trainer in trainers] == [1, 4]
    assert "in 4 pieces" in caplog.text


def test_a_memory_too_small_for_two_images_is_an_error(examples: Examples) -> None:
    network = make("basic_cnn", "scratch")
    limit_memory(network, 1)
    with pytest.raises(torch.OutOfMemoryError):
        list(Trainer(network, examples, settings(), "scratch", 0).fit())


def test_batches_differ_by_at_most_one_and_none_is_a_single_image() -> None:
    for images in range(2, 40):
        for batch_size in range(2, 12):
            sizes = [len(batch) for batch in batches(torch.arange(images), batch_size)]
            assert sum(sizes) == images
            assert max(sizes) - min(sizes) <= 1
            assert min(sizes) > 1
            lone = images // -(-images // batch_size) == 1
            assert max(sizes) <= (3 if lone else batch_size)
    assert [len(batch) for batch in batches(torch.arange(11), 2)] == [3, 2, 2, 2, 2]
    assert [len(batch) for batch in batches(torch.arange(3), 1)] == [1, 1, 1]  # for inference


class Pixels(torch.nn.Module):
    """Quick to compile, and without dropout: compiled code draws other numbers for it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 12, 4, stride=4)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.convolution(x).relu()
        return features

    def forward_head(self, x: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        return x.mean((2, 3))


def test_a_compiled_network_trains_as_it_does_without(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []
    batches_seen: list[int] = []

    def compile_module(module: torch.nn.Module, *, dynamic: bool) -> object:
        compiled.append(module)
        result = compile_with_torch(module, dynamic=dynamic)
        assert isinstance(result, torch.nn.Module)
        result.register_forward_hook(lambda module, args, output: batches_seen.append(len(output)))
        return result

    def train(**changes: object) -> tuple[list[float], Network]:
        torch.manual_seed(0)
        network = Network(Pixels(), linear_classifier(12, 3))
        trainer = Trainer(network, examples, settings(epochs=3, **changes), "staged", 0)
        return [result.val_loss for result in trainer.fit()], network

    compile_with_torch = torch.compile
    monkeypatch.setattr(torch, "compile", compile_module)
    losses, _ = train()
    assert not compiled
    compiled_losses, network = train(compile=True)
    assert compiled == [network]
    assert sum(batches_seen) == len(examples.rows("train"))  # its one unfrozen epoch
    assert compiled_losses[:2] == losses[:2]  # the backbone is frozen
    assert compiled_losses == pytest.approx(losses, rel=1e-4)
    assert losses[2] != losses[1]


def test_bfloat16_trains_to_about_the_same_loss(examples: Examples) -> None:
    def last(precision: str) -> EpochResult:
        network = make("convmixer", "scratch")
        config = settings(epochs=3, precision=precision)
        return list(Trainer(network, examples, config, "scratch", 0).fit())[-1]

    assert last("bfloat16").train_loss == pytest.approx(last("float32").train_loss, abs=0.15)
    assert last("bfloat16").train_loss != last("float32").train_loss


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_every_optimizer_goes_on_where_the_backbone_is_unfrozen(
    examples: Examples, optimizer: str
) -> None:
    network = make("basic_cnn", "staged")
    before = backbone_state(network)
    config = settings(optimizer=optimizer, epochs=2, freeze_epochs=1, lr=0.0001)
    assert len(list(Trainer(network, examples, config, "staged", 0).fit())) == 2
    assert changed(before, network)
