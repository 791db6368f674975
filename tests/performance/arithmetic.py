"""Turns the study's training into operations, and this machine into how fast it does them."""

from __future__ import annotations

import time

from tests.performance.measure import Figures
from tests.performance.settings import MODELS

SIDE, TRIES = 2048, 15
"""Of the matrices that are multiplied: large enough for the best rate."""


def describe(
    image_size: int, epochs: int, freeze_epochs: int, train: int, val: int, classes: int
) -> Figures:
    """Count what no loop can do without, whoever writes it.

    A backward pass counts as two forward ones; a frozen backbone runs forward once.

    Args:
        image_size: Side of the images in pixels.
        epochs: Of a run that is not stopped early.
        freeze_epochs: Of a staged run, with a frozen backbone.
        train: How many images.
        val: How many images.
        classes: How many.

    Returns:
        ``tflop`` of training and validating `MODELS`, ``gflops`` a second that the best float32
        matrix product reaches here, and the ``seconds`` that follow.
    """
    from benchmark.evaluation.cost import network_cost
    from benchmark.study.suite import systems

    unfrozen = {"scratch": epochs, "staged": max(0, epochs - freeze_epochs), "frozen": 0}
    total = 0.0
    for system in systems():
        if system.head is None and system.model in MODELS:
            forward = network_cost(system, image_size, classes)["flops"]
            once = 0 if system.schedule == "scratch" else train + val
            total += forward * (once + unfrozen[system.schedule] * (3 * train + val))
    rate = best_rate()
    return {"tflop": total / 1e12, "gflops": rate / 1e9, "seconds": total / rate}


def best_rate() -> float:
    """Operations a second of the fastest of some float32 matrix products on all threads."""
    import torch

    a, b = torch.rand(2, SIDE, SIDE)
    seconds = []
    for _ in range(TRIES):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(seconds)
