"""Staged and frozen fine-tuning for 25 epochs, where bench runs a frozen backbone only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.performance.images import few_images
from tests.performance.measure import (
    Comparison,
    Figures,
    Options,
    Side,
    call,
    compare,
    read_result,
)
from tests.performance.store import (
    SMALL_PRETRAINING,
    bench,
    copy_of,
    overrides,
    pretrained,
    read_store,
)

EPOCHS, SMALL_EPOCHS = 25, 2
BATCH, FREEZE_EPOCHS = 16, 4
SYSTEMS = (("resnet18", "frozen"), ("resnet18", "staged"), ("vit_b_16", "frozen"))


def run(options: Options) -> Iterator[Comparison]:
    """Measure the training alone, without early stopping, from the same pretrained weights."""
    images = few_images(options)
    size, epochs = (32, SMALL_EPOCHS) if options.small else (64, EPOCHS)
    settings = {
        "data.image_size": size,
        "train.patience": epochs,
        "train.batch_size": BATCH,
        "train.freeze_epochs": FREEZE_EPOCHS,
    }
    chosen = overrides(settings)
    chosen += SMALL_PRETRAINING if options.small else []
    chosen += ["--preset", "quick", "--no-explain", "--set", "pretrain.models=*"]
    systems = SYSTEMS[:2] if options.small else SYSTEMS
    source = pretrained(options, images, sorted({model for model, _ in systems}), chosen)
    for model, schedule in systems:
        name = f"{model}-{schedule}"
        command = call(
            "plain:one_network",
            **{"model": model, "schedule": schedule, "data": images, "weights": source},
            **{key.rpartition(".")[2]: value for key, value in settings.items()},
            epochs=epochs,
        )
        sides = [
            bench(
                "bench",
                ["run", name, "--data", images, *chosen, "--set", f"train.epochs={epochs}"],
                prepare=copy_of(source),
                figures=fitting(read_store, name),
            ),
            Side(name="plain", command=command, figures=fitting(read_result, name)),
        ]
        yield compare(f"{name}, {size} px, {epochs} epochs", sides, options.repeats)


def fitting(read: Callable[[Path], Figures], name: str) -> Callable[[Path], Figures]:
    """Take the seconds of training for the side's time, and the accuracy that it led to."""

    def figures(folder: Path) -> Figures:
        found = read(folder)
        return {
            "seconds": found["fit_seconds"],
            "test_accuracy": found["test_accuracies"][name],
        }

    return figures
