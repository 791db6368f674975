"""Turns a function of images into one that computes each image once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.study.config import Precision
from benchmark.training.devices import autocast
from benchmark.training.inference import inference_batch

MOST = 8192
"""Images that are remembered, of which each panel shows a dozen; all begin anew beyond."""


class Remembered:
    """Remembers what became of an image, by its pixels.

    Deletion curves begin and end with the same images whatever the order of deletion, and all heads
    on one network show it the same images in the same random order.
    """

    def __init__(
        self, function: Callable[[Tensor], Tensor], precision: Precision = "float32"
    ) -> None:
        """Wrap a function.

        Args:
            function: Images (N, 3, S, S) -> (N, F), each image by itself.
            precision: In which it computes.
        """
        self._function = function
        self._precision: Precision = precision
        self._found: dict[int, Tensor] = {}

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) -> (N, F)."""
        keys = digests(images)
        new = {key: row for row, key in enumerate(keys) if key not in self._found}
        if new and len(self._found) + len(new) > MOST:
            self._found = {}
            new = {key: row for row, key in enumerate(keys)}
        if new:
            size = inference_batch(images.device, images.shape[-1])
            parts = torch.split(images[list(new.values())], size)
            with autocast(images.device, self._precision):
                results = torch.cat([self._function(part) for part in parts]).float()
            self._found.update(zip(new, results, strict=True))
        return torch.stack([self._found[key] for key in keys])


def digests(images: Tensor) -> list[int]:
    """By what images (N, 3, S, S) are known again: 64 bits of their pixels, for this process.

    Python's own hash takes a fifth of the time of BLAKE2.
    """
    return [hash(image.tobytes()) for image in images.detach().cpu().numpy()]
