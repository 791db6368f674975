"""Turns a batch that does not fit into the device's memory into pieces that do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Pieces:
    """How many pieces each batch is divided into: one, and twice as many whenever memory runs out.

    Attributes:
        count: How many it is now.
    """

    def __init__(self) -> None:
        self.count = 1

    def fit(self, rows: Tensor, work: Callable[[Sequence[Tensor]], T]) -> T:
        """Do work on a batch, from its beginning again in smaller pieces if memory runs out.

        Args:
            rows: Rows of the batch.
            work: Takes the rows of each piece; can be repeated.

        Raises:
            torch.OutOfMemoryError: Pieces of two images do not fit: batch normalisation takes no
                fewer.
        """
        while True:
            try:
                return work(torch.tensor_split(rows, self.count))
            except torch.OutOfMemoryError:
                if len(rows) < 4 * self.count:
                    raise
            # Out of the except block: the error holds on to the tensors that filled the memory.
            self.count *= 2
            torch.cuda.empty_cache()
            logger.warning(
                "the GPU's memory is full: batches of %d go through it in %d pieces",
                len(rows),
                self.count,
            )
