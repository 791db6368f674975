"""The study without bench: a plain loop of PyTorch and scikit-learn, from images to accuracies.

Written as a good student would: torchvision's ImageFolder and DataLoader, which decode each image
in each epoch, float32, on a GPU if there is one, frozen backbones run in every epoch, embeddings
extracted for each head, one fit for each point of a grid. Of this project, it takes the backbones
alone. Split, layers, optimizer, epochs, early stopping and grids are those of bench.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Resize, ToTensor
from xgboost import XGBClassifier

from registry import models

SCRATCH = ("basic_cnn", "residual_cnn", "convmixer", "resnet18", "vit_b_16")
FINE_TUNED = ("resnet18", "vit_b_16")
HEADS: dict[str, Callable[..., Any]] = {
    "xgboost": XGBClassifier,
    "random_forest": RandomForestClassifier,
    "extra_trees": ExtraTreesClassifier,
}
GRID = ((100, 10), (200, 16), (300, 24))
EVALUATION_BATCH = 128
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Loader = DataLoader[tuple[Tensor, Tensor]]
Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How networks are trained; the names are those of bench."""

    data: str
    image_size: int
    epochs: int
    batch_size: int = 32
    lr: float = 0.001
    patience: int = 5
    freeze_epochs: int = 4
    seed: int = 0
    workers: int = 0
    weights: str = ""


class Classifier(nn.Module):
    """A backbone with a linear or a deep classifier."""

    def __init__(self, model: str, settings: Settings, classes: int, *, deep: bool) -> None:
        super().__init__()
        self.backbone: Any = models[model].factory(settings.image_size)
        features: Any = self.backbone.num_features
        layers: list[nn.Module] = [nn.Linear(features, classes)]
        if deep:
            layers = [
                *(nn.Linear(features, 512), nn.ReLU(), nn.Dropout(0.4)),
                *(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.2)),
                nn.Linear(256, classes),
            ]
        self.classifier = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(images))
        return logits

    def pool(self, images: Tensor) -> Tensor:
        features = self.backbone.forward_features(images)
        pooled: Tensor = self.backbone.forward_head(features, pre_logits=True)
        return pooled

    def embed(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.classifier[:-1](self.pool(images))
        return embeddings


def make_loader(settings: Settings, split: str, *, shuffle: bool = False) -> Loader:
    size = settings.image_size
    images = ImageFolder(
        str(Path(settings.data) / split), Compose([Resize((size, size)), ToTensor()])
    )
    return DataLoader(
        images,
        batch_size=settings.batch_size if shuffle else EVALUATION_BATCH,
        shuffle=shuffle,
        # Batch normalisation cannot train on a single image.
        drop_last=shuffle and len(images) % settings.batch_size == 1,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        generator=torch.Generator().manual_seed(settings.seed),
    )


def count_classes(settings: Settings) -> int:
    return len(ImageFolder(str(Path(settings.data) / "train")).classes)


def train(network: Classifier, schedule: str, settings: Settings) -> list[float]:
    """Train in stages with early stopping, restore the best weights, and return epochs' seconds."""
    train_loader = make_loader(settings, "train", shuffle=True)
    val_loader = make_loader(settings, "val")
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    warm, last = settings.freeze_epochs, settings.epochs
    stages = {
        "scratch": [(False, last)],
        "staged": [(True, min(warm, last)), (False, max(0, last - warm))],
        "frozen": [(True, last)],
    }[schedule]
    best, best_weights = (0.0, -math.inf), network.state_dict()
    seconds = []
    for frozen, epochs in stages:
        network.backbone.requires_grad_(not frozen)
        best_of_stage, stale = (0.0, -math.inf), 0
        for _ in range(epochs):
            start = time.perf_counter()
            train_epoch(network, train_loader, optimizer, frozen=frozen)
            validated = validate(network, val_loader)
            seconds.append(time.perf_counter() - start)
            if validated > best:
                best, best_weights = validated, copy.deepcopy(network.state_dict())
            stale += 1
            if validated > best_of_stage:
                best_of_stage, stale = validated, 0
            if stale == settings.patience and len(seconds) > stages[0][1] * (len(stages) - 1):
                break
    network.load_state_dict(best_weights)
    return seconds


def train_epoch(
    network: Classifier, loader: Loader, optimizer: torch.optim.Optimizer, *, frozen: bool
) -> None:
    network.train()
    network.backbone.train(not frozen)
    for images, labels in loader:
        logits = network(images.to(DEVICE))
        loss = nn.functional.cross_entropy(logits, labels.to(DEVICE))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def validate(network: Classifier, loader: Loader) -> tuple[float, float]:
    """Accuracy, and of equals the lower loss: the higher, the better."""
    network.eval()
    hits, loss, count = 0, 0.0, 0
    for images, labels in loader:
        logits = network(images.to(DEVICE)).cpu()
        hits += int((logits.argmax(1) == labels).sum())
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        count += len(labels)
    return hits / count, -loss / count


@torch.no_grad()
def accuracy(network: Classifier, loader: Loader) -> float:
    network.eval()
    hits = [
        (network(images.to(DEVICE)).argmax(1).cpu() == labels).float() for images, labels in loader
    ]
    return torch.cat(hits).mean().item()


@torch.no_grad()
def extract(network: Classifier, settings: Settings, split: str) -> Arrays:
    network.eval()
    parts = [
        (network.embed(images.to(DEVICE)).cpu(), labels)
        for images, labels in make_loader(settings, split)
    ]
    return torch.cat([e for e, _ in parts]).numpy(), torch.cat([y for _, y in parts]).numpy()


def fit_network(
    model: str, schedule: str, settings: Settings
) -> tuple[Classifier, dict[str, float], list[float]]:
    """Train a network, from pretrained weights if it is fine-tuned, and score it."""
    torch.manual_seed(settings.seed)
    network = Classifier(model, settings, count_classes(settings), deep=schedule == "frozen")
    if schedule != "scratch":
        network.backbone.load_state_dict(torch.load(Path(settings.weights, f"{model}.pt")))
    seconds = train(network.to(DEVICE), schedule, settings)
    scored = accuracy(network, make_loader(settings, "test"))
    return network, {f"{model}-{schedule}": scored}, seconds


def fit_heads(network: Classifier, name: str, settings: Settings) -> dict[str, float]:
    """Fit each head with each setting of the grid to a network's embeddings."""
    accuracies = {}
    for head, make in HEADS.items():
        train_x, train_y = extract(network, settings, "train")
        test_x, test_y = extract(network, settings, "test")
        for size, depth in GRID:
            classifier = make(
                n_estimators=size, max_depth=depth, random_state=settings.seed, n_jobs=-1
            )
            classifier.fit(train_x, train_y)
            accuracies[f"{name}/{head}-n{size}-d{depth}"] = float(
                (classifier.predict(test_x) == test_y).mean()
            )
    return accuracies


def study(models: Sequence[str] = SCRATCH, **settings: Any) -> dict[str, Any]:
    """All of the study's systems of some models; accuracies on the test split by system."""
    chosen = Settings(**settings)
    accuracies: dict[str, float] = {}
    for model in models:
        accuracies |= fit_network(model, "scratch", chosen)[1]
    fine_tuned = [model for model in FINE_TUNED if model in models]
    for schedule, model in product(("staged", "frozen"), fine_tuned):
        network, scored, _ = fit_network(model, schedule, chosen)
        accuracies |= scored
        if model == "resnet18":
            accuracies |= fit_heads(network, f"{model}-{schedule}", chosen)
    return {"test_accuracies": accuracies}


def one_network(model: str, schedule: str, **settings: Any) -> dict[str, Any]:
    """One network; its test accuracy, and the seconds of its epochs."""
    _, accuracies, epochs = fit_network(model, schedule, Settings(**settings))
    return {"test_accuracies": accuracies, "epoch_seconds": epochs, "fit_seconds": sum(epochs)}


def fastest_workers(**settings: Any) -> dict[str, int]:
    """How many worker processes load images fastest while a network trains."""
    choices = sorted({0, 2, os.cpu_count() or 2})
    seconds = {}
    for workers in choices * 2:  # the first of each warms up
        trained = one_network("basic_cnn", "scratch", workers=workers, **settings)
        seconds[workers] = trained["fit_seconds"]
    return {"workers": min(seconds, key=lambda workers: seconds[workers])}


def inference(model: str, split: str, **settings: Any) -> dict[str, float]:
    """Class probabilities of a split by a network as it was made."""
    chosen = Settings(**settings)
    torch.manual_seed(chosen.seed)
    network = Classifier(model, chosen, count_classes(chosen), deep=False).eval().to(DEVICE)
    start = time.perf_counter()
    with torch.no_grad():
        parts = [
            network(images.to(DEVICE)).softmax(1).cpu() for images, _ in make_loader(chosen, split)
        ]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "images_per_second": len(torch.cat(parts)) / seconds}
