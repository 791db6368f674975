"""An interrupted training goes on from its last epoch, and ends as one that was left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.study.config import TrainConfig
from benchmark.training.checkpoint import Checkpoint, random_state, restore_random
from benchmark.training.epochs import EpochResult
from benchmark.training.images import Examples
from benchmark.training.network import build_network
from benchmark.training.trainer import Trainer
from registry.specs import Schedule

DRAWS: dict[str, Any] = {"flip": True, "crop": 0.5, "mixup": 0.2, "auto_augment": "trivial"}
COURSE: dict[str, Any] = {"lr_schedule": "cosine", "warmup": 0.1, "ema": 0.9, "optimizer": "adamw"}


def trainer(
    examples: Examples, schedule: Schedule, checkpoint: Checkpoint | None, **changes: Any
) -> Trainer:
    torch.manual_seed(0)
    network = build_network("basic_cnn", schedule, 32, 3)
    defaults = {"epochs": 6, "batch_size": 8, "freeze_epochs": 2, "precision": "float32"}
    config = TrainConfig.model_validate({**defaults, **changes})
    made = Trainer(network, examples, config, schedule, 0)
    made.checkpoint = checkpoint
    return made


def test_fewer_gpus_than_before_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    restored = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, gpu: restored.append(gpu))
    state = random_state()
    restore_random({**state, "cuda": [state["torch"], state["torch"]]})
    assert restored == [0]


def figures(history: list[EpochResult]) -> list[tuple[float, ...]]:
    return [(r.epoch, r.train_loss, r.train_accuracy, r.val_loss, r.val_accuracy) for r in history]


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in one.network.state_dict().items()}


@pytest.mark.parametrize(
    ("schedule", "changes"),
    [
        ("scratch", DRAWS),
        ("staged", COURSE),
        ("staged", {"optimizer": "sgd"}),
        ("frozen", {"patience": 2}),
        ("scratch", {"lr": 0.03, "patience": 2}),
    ],
)
def test_figures_and_weights_are_those_of_an_undisturbed_training(
    examples: Examples, tmp_path: Path, schedule: Schedule, changes: dict[str, Any]
) -> None:
    alone = trainer(examples, schedule, None, **changes)
    expected = list(alone.fit())
    theirs = weights(alone)
    assert alone.best.result is not None
    for after in (1, 2, 3, 5, 6):
        file = tmp_path / f"kept after {after}.pt"
        first = trainer(examples, schedule, Checkpoint(file, 0), **changes)
        for result in first.fit():
            if result.epoch == after:
                break
        assert file.exists()
        torch.rand(7)  # whatever another process draws first
        second = trainer(examples, schedule, Checkpoint(file, 0), **changes)
        torch.manual_seed(99)
        assert figures(list(second.fit())) == figures(expected), after
        assert len(second.resumed) == after
        ours = weights(second)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), after
        assert second.best.result is not None
        assert second.best.result.epoch == alone.best.result.epoch


def test_nothing_is_written_of_a_training_that_is_soon_repeated(
    examples: Examples, tmp_path: Path
) -> None:
    list(trainer(examples, "scratch", Checkpoint(tmp_path / "kept.pt", 30), epochs=2).fit())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", [1e-9, 0])
def test_what_takes_long_to_write_is_written_seldom_unless_each_epoch_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr("benchmark.training.checkpoint.LEAST_SHARE", 1000)
    checkpoint = Checkpoint(tmp_path / "kept.pt", seconds)
    checkpoint.keep({"large": torch.zeros(2_000_000)})
    assert checkpoint.is_due is (seconds == 0)


@pytest.mark.parametrize("harm", ["damaged", "of another network"])
def test_a_file_that_does_not_fit_is_left_aside(
    examples: Examples, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    file = tmp_path / "kept.pt"
    list(trainer(examples, "scratch", Checkpoint(file, 0), epochs=1).fit())
    if harm == "damaged":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        state = torch.load(file, weights_only=True)
        state["network"]["classifier.more"] = torch.zeros(1)
        torch.save(state, file)
    again = trainer(examples, "scratch", Checkpoint(file, 30), epochs=2)
    expected = list(trainer(examples, "scratch", None, epochs=2).fit())
    torch.manual_seed(0)
    build_network("basic_cnn", "scratch", 32, 3)  # the same draws as before a training
    assert len(list(again.fit())) == len(expected) == 2
    assert not again.resumed
    assert ("is damaged" in caplog.text) is (harm == "damaged")


@pytest.mark.parametrize("fails_again", [False, True])
def test_a_full_disk_stops_no_training(
    examples: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails_again: bool,
) -> None:
    def full(*args: object) -> None:
        try:
            raise OSError(28, "No space left on device")
        finally:
            if fails_again:  # as torch's writer does when it closes its archive
                raise RuntimeError("[enforce fail] . unexpected pos 3986944 vs 3986840")

    monkeypatch.setattr(torch, "save", full)
    history = list(trainer(examples, "scratch", Checkpoint(tmp_path / "k.pt", 0), epochs=3).fit())
    assert len(history) == 3
    assert [m for m in caplog.messages if "No space left" in m] == caplog.messages[:1]
