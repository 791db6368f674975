"""Turns what a network reaches, epoch by epoch, into the best epoch and how long ago that was."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn

from benchmark.study.config import Monitor


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """Losses and accuracies of one epoch; those of train are means over its steps, as augmented.

    Attributes:
        epoch: Its number, from 1.
        gradient_norm: Length of the backbone's gradient in the last step, before it is clipped; nan
            while it is frozen.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    gradient_norm: float = math.nan

    def better_than(self, other: EpochResult | None, monitor: Monitor) -> bool:
        """Whether validation prefers it: of equally accurate epochs the one with the lower loss."""
        if other is None:
            return True
        if monitor == "val_accuracy" and self.val_accuracy != other.val_accuracy:
            return self.val_accuracy > other.val_accuracy
        return self.val_loss < other.val_loss


@dataclass(kw_only=True)
class BestEpoch:
    """The epoch that validation prefers to all others, and the weights that it had."""

    monitor: Monitor
    result: EpochResult | None = None
    state: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, result: EpochResult, module: nn.Module, prefix: str) -> None:
        """Keep a copy of a module's weights if its epoch is the best so far."""
        if result.better_than(self.result, self.monitor):
            self.result = result
            self.keep(module, prefix)

    def keep(self, module: nn.Module, prefix: str) -> None:
        """Copy a module's weights, under the names that they have in the network."""
        for name, tensor in module.state_dict().items():
            self.state[prefix + name] = tensor.detach().clone()


@dataclass(kw_only=True)
class Progress:
    """How far a training is.

    Attributes:
        history: Results of all epochs that are done.
        best: Of the stage that goes on, the best result.
        stale: So many epochs ago.
    """

    history: list[EpochResult] = field(default_factory=list)
    best: EpochResult | None = None
    stale: int = 0

    def add(self, result: EpochResult, monitor: Monitor) -> None:
        """Count an epoch."""
        self.history.append(result)
        if result.better_than(self.best, monitor):
            self.best, self.stale = result, 0
        else:
            self.stale += 1
