"""Turns a network into one whose steps a GPU replays, instead of being told each operation anew."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.training.memory import Pieces

logger = logging.getLogger(__name__)

SHAPES = 2
"""Of batches that are recorded: they differ by one image at most, until images grow."""


class Replayed:
    """A network in training whose passes are recorded once for each shape of a batch.

    To start a GPU's operations one by one takes a processor longer than they take, for small
    networks and for transformers; a recording (a CUDA graph) is started as a whole. At 240 pixels,
    32 images a batch, in bfloat16 on an NVIDIA H200, epochs were 1.7 (ResNet-18), 2.1 (ViT-B/16),
    2.7 (ConvMixer), 1.15 (basic CNN) and 1.0 (residual CNN) times as fast, with the same losses.
    A network that cannot be recorded, such as one that looks at its activations, is called as it
    is, and so are all once memory is short.
    """

    def __init__(self, network: nn.Module, pieces: Pieces) -> None:
        """Prepare.

        Args:
            network: On a GPU, with all weights that will be trained.
            pieces: Into which batches are divided. Gradients of several pieces are summed, which
                those of a replay, always written to the same place, cannot be.
        """
        self._network = network
        self._pieces = pieces
        self._recorded: dict[torch.Size, Callable[[Tensor], Tensor]] = {}
        self._records = True
        self._memory = torch.cuda.graph_pool_handle()

    def train(self) -> None:
        """Turn to training."""
        self._network.train()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Inputs of a batch -> logits, by autograd's rules, and within autocast, if any."""
        if self._pieces.count > 1:
            self._recorded.clear()
            self._records = False
        if self._records and inputs.shape not in self._recorded:
            self._record(inputs)
        step = self._recorded.get(inputs.shape)
        if step is None:
            logits: Tensor = self._network(inputs)
            return logits
        return step(inputs).clone()  # the next replay writes to the same memory

    def _record(self, inputs: Tensor) -> None:
        if len(self._recorded) == SHAPES:
            self._recorded.clear()
            self._memory = torch.cuda.graph_pool_handle()
        try:
            # Its streams are those of the current GPU, which need not be the network's.
            on_its_gpu = torch.cuda.device_of(inputs)  # type: ignore[no-untyped-call]
            with on_its_gpu, _unchanged(self._network, inputs.device):
                step: Any = torch.cuda.make_graphed_callables(
                    _Step(self._network),
                    (inputs.clone(),),
                    allow_unused_input=True,
                    pool=self._memory,
                )
                self._recorded[inputs.shape] = step
        except (RuntimeError, AssertionError) as error:
            logger.debug("steps are not replayed: %s", error)
            self._recorded.clear()
            self._records = False


def in_training(network: nn.Module, device: torch.device, pieces: Pieces) -> nn.Module | Replayed:
    """What is called in a network's place while it trains on a device; see `Replayed`."""
    return Replayed(network, pieces) if device.type == "cuda" else network


class _Step(nn.Module):
    """A network as the object that a recording replaces."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs)
        return logits


@contextmanager
def _unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Undo what the passes before a recording do to running means and to random numbers.

    Meanwhile, autocast keeps no copies of weights, which a recording would hold on to.
    """
    before = [buffer.clone() for buffer in network.buffers()]
    random, caches = torch.cuda.get_rng_state(device), torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    for harmless in ("The AccumulateGrad node's stream", "Attempting to run cuBLAS"):
        warnings.filterwarnings("ignore", harmless, UserWarning)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(caches)
        torch.cuda.set_rng_state(random, device)
        with torch.no_grad():
            for buffer, kept in zip(network.buffers(), before, strict=True):
                buffer.copy_(kept)
