"""Turns heatmaps into deletion curves, which measure whether the marked pixels matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STEPS = 10
"""How many tenths of the pixels are deleted one after the other."""


def deletion_auc(
    classify: Callable[[Tensor], NDArray[np.float32]],
    images: Tensor,
    classes: NDArray[np.int64],
    heat: Tensor,
) -> float:
    """Measure the area under the deletion curve (Petsiuk et al. 2018, RISE).

    Pixels give way to the image's mean colour by falling heat, of equals in random order; the curve
    is the probability of the class over the share of deleted pixels.

    Args:
        classify: Images -> probabilities (N, C).
        images: (N, 3, S, S).
        classes: (N,) whose probability is watched.
        heat: (N, S, S).

    Returns:
        The images' mean area, from 0 to 1; the lower, the more depends on the hottest pixels.
    """
    ranks = _ranks(heat)
    stages = [_without(images, ranks, level / STEPS) for level in torch.arange(STEPS + 1)]
    probabilities = classify(torch.cat(stages)).reshape(STEPS + 1, len(images), -1)
    curve = probabilities[:, np.arange(len(images)), classes].mean(1)
    return float(np.trapezoid(curve, dx=1 / STEPS))


def random_deletion_auc(
    classify: Callable[[Tensor], NDArray[np.float32]], images: Tensor, classes: NDArray[np.int64]
) -> float:
    """Measure the same with pixels in random order: what a map without meaning would reach."""
    return deletion_auc(classify, images, classes, torch.zeros_like(images[:, 0]).cpu())


def _ranks(heat: Tensor) -> Tensor:
    """The place of each pixel in the order of deletion, as a share of all pixels; (N, S, S)."""
    flat = heat.reshape(len(heat), -1).numpy()
    noise = np.random.default_rng(0).random(flat.shape)
    order = torch.from_numpy(np.lexsort((noise, -flat), axis=1))
    ranks: Tensor = order.argsort(1) / flat.shape[1]
    return ranks.reshape(heat.shape)


def _without(images: Tensor, ranks: Tensor, share: Tensor) -> Tensor:
    deleted = (ranks < share)[:, None].to(images.device)
    return torch.where(deleted, images.mean((2, 3), keepdim=True), images)
