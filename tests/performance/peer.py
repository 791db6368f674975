"""Whole trainings beside timm's own training script, for ResNet-18 and ViT-B/16."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.performance.images import count, few_images
from tests.performance.measure import CaseSkipped, Comparison, Figures, Options, Side, compare
from tests.performance.store import bench, opened, overrides

MISSING = """timm's training script is not part of its package. Get it and name it:
    git clone https://github.com/huggingface/pytorch-image-models
    python -m tests.performance peer --timm-script pytorch-image-models/train.py"""
MODELS = {
    "resnet18": ["resnet18"],
    "vit_b_16": ["vit_base_patch16_224", "--model-kwargs", "img_size={size}"],
}
"""Registered here -> timm's name, and what else it has to be told."""
BATCH, LR = 16, 0.001
WORKERS = 2
"""timm's loader needs at least one."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure both commands from start to end, with the same images, layers, batches and epochs.

    Raises:
        CaseSkipped: The script is missing.
    """
    if options.timm_script is None:
        raise CaseSkipped(MISSING)
    images = few_images(options)
    size, epochs = (32, 1) if options.small else (128, 3)
    settings = {
        "data.image_size": size,
        "train.epochs": epochs,
        "train.patience": epochs,
        "train.batch_size": BATCH,
        "train.lr": LR,
    }
    chosen = overrides(settings)
    trained = epochs * count(images, "train")
    for model in list(MODELS)[:1] if options.small else MODELS:
        sides = [
            bench(
                "bench",
                ["run", f"{model}-scratch", "--data", images, "--no-explain", *chosen],
                figures=best_validation,
            ),
            Side(
                name="timm",
                command=[
                    *timm_command(options.timm_script, model, images, size, epochs),
                    *("--device", options.device),
                ],
                figures=best_epoch,
            ),
        ]
        work = f"{model}, {size} px, {trained:,} images in {epochs} epochs"
        yield compare(work, sides, options.repeats, baseline="timm")


def timm_command(script: Path, model: str, images: Path, size: int, epochs: int) -> list[str]:
    """Train as bench does: Adam, a constant rate, no augmentation, images in [0, 1].

    Images that are not square lose their ends here, where bench squeezes them.
    """
    classes = sum(1 for _ in (images / "train").iterdir())
    return [
        *(sys.executable, str(script), "--data-dir", str(images), "--val-split", "val"),
        *("--model", *(part.format(size=size) for part in MODELS[model])),
        *("--num-classes", str(classes)),
        *("--img-size", str(size), "--crop-pct", "1.0", "--no-aug"),
        *("--train-interpolation", "bilinear", "--interpolation", "bilinear"),
        *("--mean", "0", "0", "0", "--std", "1", "1", "1"),
        *("--opt", "adam", "--lr", str(LR), "--weight-decay", "0", "--smoothing", "0"),
        *("--sched", "step", "--decay-epochs", "1000", "--warmup-epochs", "0"),
        *("--epochs", str(epochs), "--batch-size", str(BATCH), "--workers", str(WORKERS)),
        *("--no-prefetcher", "--seed", "0"),
        *("--output", ".", "--experiment", "timm", "--checkpoint-hist", "1"),
    ]


def best_epoch(folder: Path) -> Figures:
    """Read the best validation accuracy from timm's summary."""
    with (folder / "timm" / "summary.csv").open() as file:
        return {
            "best_val_accuracy": max(float(row["eval_top1"]) for row in csv.DictReader(file)) / 100
        }


def best_validation(folder: Path) -> Figures:
    """Read the best validation accuracy from bench's store."""
    with opened(folder) as database:
        (best,) = database.execute(
            "SELECT max(value) FROM metrics WHERE key = 'val_accuracy'"
        ).fetchone()
    return {"best_val_accuracy": best}
