"""Turns logits and rows into the loss that a recipe trains with."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from benchmark.study.recipe import RecipeConfig
from benchmark.training.images import Examples


class Targets(NamedTuple):
    """What a batch is to be taken for.

    Attributes:
        labels: (N,) classes, or (N, C) probabilities where images are mixed.
        teacher: (N, C) a teacher's probabilities, if there is one.
    """

    labels: Tensor
    teacher: Tensor | None


class Loss:
    """Cross-entropy with the labels, and with a teacher's probabilities where there is one.

    Distillation follows Hinton et al. 2015: the logits of both are divided by a temperature, and
    the teacher's part of the loss is multiplied by its square.
    """

    def __init__(self, recipe: RecipeConfig, examples: Examples) -> None:
        """Prepare the targets of all rows.

        Args:
            recipe: Smoothing, class weights, mixing, distillation.
            examples: Labels, and the teacher's probabilities if there is one.
        """
        self._recipe = recipe
        self._examples = examples
        self._num_classes = int(examples.labels.max()) + 1
        self._teacher: Tensor | None = None
        if examples.teacher is not None:
            logits = examples.teacher.clamp(min=1e-7).log()
            self._teacher = (logits / recipe.temperature).softmax(dim=1)
        self._class_weights: Tensor | None = None
        if recipe.class_weights:
            labels = examples.labels_of(examples.rows("train"))
            counts = torch.bincount(labels, minlength=self._num_classes)
            self._class_weights = len(labels) / (self._num_classes * counts.clamp(min=1))
        self._mixes: list[Any] = []
        if recipe.mixup or recipe.cutmix:
            from torchvision.transforms import v2  # slow to import

            alphas = {v2.MixUp: recipe.mixup, v2.CutMix: recipe.cutmix}
            self._mixes = [mix(alpha=alpha) for mix, alpha in alphas.items() if alpha]

    def targets(self, rows: Tensor) -> Targets:
        """Give the targets of rows."""
        teacher = self._teacher
        return Targets(
            labels=self._examples.labels_of(rows),
            teacher=None if teacher is None else teacher[rows.to(teacher.device)],
        )

    def mix(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Blend each image (N, 3, S, S) with another one, or paste a part of that into it.

        Returns:
            Images and targets, mixed alike; as they are if the recipe mixes none.
        """
        if not self._mixes:
            return images, targets
        mix = self._mixes[int(torch.randint(len(self._mixes), ()))]
        labels, teacher = one_hot(targets.labels, self._num_classes).float(), targets.teacher
        if teacher is None:
            images, labels = mix(images, labels)
            return images, Targets(labels, None)
        images, both = mix(images, torch.cat([labels, teacher], dim=1))
        return images, Targets(*both.split(self._num_classes, dim=1))

    def __call__(self, logits: Tensor, targets: Targets, batch: Tensor | None = None) -> Tensor:
        """Mean over a batch, or a piece of it.

        Args:
            logits: (N, C).
            targets: Of the piece.
            batch: Rows of the whole batch: means over its pieces, weighted by how many images they
                have, are the mean over all. None if there is one piece.
        """
        recipe = self._recipe
        loss = cross_entropy(
            logits,
            targets.labels,
            weight=self._class_weights,
            label_smoothing=recipe.label_smoothing,
        )
        if batch is not None and self._class_weights is not None and targets.labels.ndim == 1:
            # Of labels, torch's mean is divided by what the classes of the piece weigh.
            weighed = self._class_weights[self._examples.labels_of(batch)]
            loss = loss * (self._class_weights[targets.labels].mean() / weighed.mean())
        if targets.teacher is None:
            return loss
        distilled = cross_entropy(logits / recipe.temperature, targets.teacher)
        weight = recipe.teacher_weight
        return (1 - weight) * loss + weight * recipe.temperature**2 * distilled


class Tally:
    """Sums loss and hits on the device, so that it need not wait for each batch."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), device=device)
        self._hits = torch.zeros((), device=device)
        self._count = 0

    def add(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Count a batch with its mean loss."""
        self._loss += loss.detach() * len(labels)
        self._hits += (logits.detach().argmax(1) == labels).sum()
        self._count += len(labels)

    def means(self) -> tuple[float, float]:
        """Mean loss and accuracy."""
        return float(self._loss) / self._count, float(self._hits) / self._count
