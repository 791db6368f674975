"""Turns rows of the image store into batches on the device."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.prepared import PreparedData
from benchmark.data.splits import Split

RESIDENT_SHARE = 0.4
"""Images stay on a GPU when they take no more than this share of its free memory."""


class Examples:
    """Inputs and labels of all rows: stored images, or features computed from them."""

    def __init__(self, inputs: Tensor, data: PreparedData, device: torch.device) -> None:
        """Wrap the inputs of a data set.

        Args:
            inputs: (N, S, S, 3) uint8 images, or (N, F) float features; on any device.
            data: For labels and splits.
            device: Where batches go.
        """
        self.inputs = inputs
        self.device = device
        self.labels = torch.from_numpy(data.labels).to(device)
        self.teacher: Tensor | None = None
        """(N, C) a teacher's probabilities of the train split's rows; others are of no meaning."""
        self._rows: dict[str, Tensor] = {
            split: torch.from_numpy(data.rows(split)) for split in ("train", "val", "test")
        }

    @property
    def are_images(self) -> bool:
        """Whether the inputs are images, not features."""
        return self.inputs.dtype == torch.uint8

    def rows(self, split: Split) -> Tensor:
        """Row numbers of a split."""
        return self._rows[split]

    def with_inputs(self, inputs: Tensor) -> Examples:
        """The same rows with other inputs, such as features computed from the images."""
        other = copy(self)
        other.inputs = inputs
        return other

    def teach(self, probabilities: NDArray[np.float32] | None) -> None:
        """Give the rows a teacher's probabilities (N, C), or none."""
        self.teacher = (
            None if probabilities is None else torch.from_numpy(probabilities).to(self.device)
        )

    def batch(self, rows: Tensor) -> Tensor:
        """Rows -> (N, 3, S, S) images in [0, 1], or (N, F) features, on the device."""
        chosen = self.inputs[rows.to(self.inputs.device)].to(self.device, non_blocking=True)
        if self.are_images:
            return chosen.permute(0, 3, 1, 2).float().div_(255)
        return chosen

    def labels_of(self, rows: Tensor) -> Tensor:
        """Rows -> (N,) labels, on the device."""
        return self.labels[rows.to(self.device)]


def image_examples(data: PreparedData, device: torch.device) -> Examples:
    """Wrap the image store: read as a memory map, or kept on a GPU that has room for it."""
    images = torch.from_numpy(data.images)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if images.nbytes < RESIDENT_SHARE * free:
            images = images.to(device)
    return Examples(images, data, device)


def batches(rows: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """Divide rows into as few batches as can be that differ by at most one in size.

    A single image would stop batch normalisation: it joins another batch, which then is larger
    than asked for by one.
    """
    count = -(-len(rows) // batch_size)
    if batch_size > 1:
        count = min(count, max(1, len(rows) // 2))
    return torch.tensor_split(rows, count)


def shuffled(rows: Tensor, seed: int, epoch: int) -> Tensor:
    """Order rows at random, the same for the same seed and epoch."""
    rng = np.random.default_rng((seed, epoch))
    order: NDArray[np.int64] = rng.permutation(len(rows))
    return rows[torch.from_numpy(order)]
