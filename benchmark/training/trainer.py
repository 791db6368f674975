"""Turns a network and examples into a trained network, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from benchmark.study.config import TrainConfig
from benchmark.training.attention import attention_for
from benchmark.training.augmentation import Augmentation
from benchmark.training.checkpoint import Checkpoint, random_state, restore_random
from benchmark.training.devices import autocast, is_bfloat16, now
from benchmark.training.epochs import BestEpoch, EpochResult, Progress
from benchmark.training.graphs import in_training
from benchmark.training.images import Examples, batches, shuffled
from benchmark.training.inference import map_examples, pool_examples
from benchmark.training.loss import Loss, Tally
from benchmark.training.memory import Pieces
from benchmark.training.network import Network
from benchmark.training.optimization import Course, make_optimizer
from registry.specs import Schedule

_VERSION = 2
"""Of the states that are kept: 2 has the optimizer's as weights lie in memory."""


class Diverged(Exception):
    """The loss is no longer a number."""


class Trainer:
    """Trains a network by a recipe on a freezing schedule, and stops early on the validation split.

    While the backbone is frozen it stays in evaluation mode, so its pooled features never change:
    they are computed once, and the classifier alone is trained on them. The result is that of
    running the frozen backbone in every epoch, at a fraction of the cost.
    """

    def __init__(
        self,
        network: Network,
        examples: Examples,
        config: TrainConfig,
        schedule: Schedule,
        seed: int,
    ) -> None:
        """Prepare to train.

        Args:
            network: Trained in place.
            examples: Images; all rows.
            config: Epochs, learning rate and the rest of the recipe.
            schedule: scratch: all layers; staged: the classifier for the first epochs, then all
                layers; frozen: the classifier only.
            seed: Of the order of the batches.
        """
        self.network = network.to(examples.device)
        self.config = config
        self.seed = seed
        self.frozen_epochs = config.frozen_epochs(schedule)
        self.best = BestEpoch(monitor=config.monitor)
        self.features: Examples | None = None
        """Pooled features of all rows, as long as the backbone is frozen; computed unless set."""
        self.pieces = Pieces()
        """Into how many pieces batches had to be divided to fit into memory."""
        self.checkpoint: Checkpoint | None = None
        """Where an interrupted training goes on, if it is to."""
        self.lr_setting = "train.lr"
        """Which setting is the rate, for who is to change it."""
        self.resumed: tuple[EpochResult, ...] = ()
        """Epochs that an interrupted training had done."""
        self.progress = Progress()
        self._images = examples
        self._optimizer = make_optimizer(network, config)
        self._augment = Augmentation(config)
        self._loss = Loss(config, examples)
        self._interrupted: dict[str, Any] | None = None

    def fit(self) -> Iterator[EpochResult]:
        """Train, yielding each epoch's result, and leave the best epoch's weights in the network.

        Raises:
            Diverged: The loss became infinite or not a number.
        """
        self._interrupted = self._restore()
        yield from self.resumed
        done, frozen, epochs = len(self.resumed), self.frozen_epochs, self.config.epochs
        if done < frozen or frozen == epochs:
            self.features = self.features or pool_examples(self.network, self._images, self.config)
            yield from self._stage(self.network.classifier, self.features, "classifier.", 0)
        if frozen < epochs:
            self.features = None  # they change with the backbone
            if 0 < frozen >= done:
                self.best.keep(self.network.backbone, "backbone.")
            yield from self._stage(self.network, self._images, "", frozen)
        self.network.load_state_dict(self.best.state, strict=frozen == 0)
        self.network.eval()

    def _stage(
        self, module: nn.Module, examples: Examples, prefix: str, first: int
    ) -> Iterator[EpochResult]:
        """Train a module.

        Patience counts in the last stage alone, and from its own best epoch: what a frozen backbone
        reached may take a network that has just been unfrozen longer to pass.
        """
        last = self.config.epochs if module is self.network else self.frozen_epochs
        compiles = self.config.compile and module is self.network
        # Batches have two sizes at most, so that each is compiled as it is, unless images grow.
        dynamic = None if self.config.start_size < 1 else False
        trained: Any = (
            torch.compile(module, dynamic=dynamic)
            if compiles
            else in_training(module, examples.device, self.pieces)
        )
        steps = len(batches(examples.rows("train"), self.config.batch_size))
        course = Course(self._optimizer, module, self.config, (last - first) * steps)
        self._begin(course, first)
        progress = self.progress
        patience = self.config.patience if last == self.config.epochs else None
        for epoch in range(max(first, len(progress.history)), last):
            if progress.stale == patience:
                return
            start = now(examples.device)
            train_loss, train_accuracy, norm = self._train_epoch(trained, examples, epoch, course)
            val_loss, val_accuracy = self._validate(course.kept, examples)
            result = EpochResult(
                epoch=epoch + 1,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                seconds=now(examples.device) - start,
                gradient_norm=norm,
            )
            if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
                if self.checkpoint is not None:
                    self.checkpoint.remove()
                raise Diverged(
                    f"the loss is no longer finite in epoch {epoch + 1} (train {train_loss}, "
                    f"val {val_loss}); try a lower rate: "
                    f"--set {self.lr_setting}={self.config.lr / 10:g}"
                )
            self.best.offer(result, course.kept, prefix)
            progress.add(result, self.config.monitor)
            if self.checkpoint is not None and self.checkpoint.is_due:
                self.checkpoint.keep(self._state(course))
            yield result

    def _state(self, course: Course) -> dict[str, Any]:
        """All that the epochs to come depend on."""
        progress = self.progress
        return {
            "version": _VERSION,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "course": course.state(),
            "best": [asdict(self.best.result) if self.best.result else None, self.best.state],
            "history": [asdict(result) for result in progress.history],
            "stage": [asdict(progress.best) if progress.best else None, progress.stale],
            "pieces": self.pieces.count,
            "device": self._images.device.type,
            "random": random_state(),
        }

    def _restore(self) -> dict[str, Any] | None:
        """Take the state that an interrupted training has left of the same network, if any has."""
        state = self.checkpoint.read() if self.checkpoint is not None else None
        own = self.network.state_dict()
        if state is None or state.get("version") != _VERSION:
            return None
        if state["device"] != self._images.device.type:
            return None
        kept = state["network"]
        if {k: v.shape for k, v in kept.items()} != {k: v.shape for k, v in own.items()}:
            return None  # a plugin's network, which has changed
        self.network.load_state_dict(kept)
        self._optimizer.load_state_dict(state["optimizer"])
        device = self._images.device
        best, weights = state["best"]
        self.best.result = EpochResult(**best) if best else None
        self.best.state = {name: tensor.to(device) for name, tensor in weights.items()}
        best, stale = state["stage"]
        history = [EpochResult(**result) for result in state["history"]]
        stage_best = EpochResult(**best) if best else None
        self.progress = Progress(history=history, best=stage_best, stale=stale)
        self.pieces.count = state["pieces"]
        self.resumed = tuple(history)
        return state

    def _begin(self, course: Course, first: int) -> None:
        """Begin a stage at an epoch, or go on in the middle of one that was interrupted."""
        state, self._interrupted = self._interrupted, None
        if len(self.progress.history) > first:
            assert state is not None
            course.restore(state["course"])
            self._optimizer.load_state_dict(state["optimizer"])
        else:
            self.progress.best, self.progress.stale = None, 0
        if state is not None:
            restore_random(state["random"])

    def _train_epoch(
        self, module: nn.Module, examples: Examples, epoch: int, course: Course
    ) -> tuple[float, float, float]:
        """Train -> loss, accuracy, and the last step's gradient norm before it is clipped."""
        module.train()
        rows = shuffled(examples.rows("train"), self.seed, epoch)
        tally = Tally(examples.device)
        norm, divided = math.nan, batches(rows, self.config.batch_size)
        for batch in divided:
            for logits, labels, loss in self.pieces.fit(
                batch, lambda pieces: self._gradients(module, examples, pieces, course.progress)
            ):
                tally.add(logits, labels, loss)
            if batch is divided[-1]:
                norm = self._gradient_norm()
            course.step()
        return *tally.means(), norm

    def _gradients(
        self, module: nn.Module, examples: Examples, pieces: Sequence[Tensor], progress: float
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Sum the gradients of a batch's pieces; they are those of the whole batch's mean loss."""
        self.network.zero_grad(set_to_none=True)
        batch = torch.cat([*pieces])
        results = []
        for rows in pieces:
            inputs, targets = examples.batch(rows), self._loss.targets(rows)
            labels = targets.labels
            if examples.are_images:
                inputs, targets = self._loss.mix(self._augment(inputs, progress), targets)
            with self._precise(inputs):
                logits = module(inputs)
            loss = self._loss(logits.float(), targets, batch)
            torch.autograd.backward(loss * (len(rows) / len(batch)))
            results.append((logits.detach(), labels, loss.detach()))
        return results

    def _gradient_norm(self) -> float:
        own = [weight.grad for weight in self.network.backbone.parameters()]
        reached = [gradient for gradient in own if gradient is not None]
        return float(get_total_norm(reached)) if reached else math.nan

    @torch.inference_mode()
    def _validate(self, module: nn.Module, examples: Examples) -> tuple[float, float]:
        module.eval()
        rows = examples.rows("val")
        logits, labels = map_examples(module, examples, rows, self.config), examples.labels_of(rows)
        hits = int((logits.argmax(1) == labels).sum())
        return float(cross_entropy(logits, labels)), hits / len(rows)

    @contextmanager
    def _precise(self, inputs: Tensor) -> Iterator[None]:
        device, precision = self._images.device, self.config.precision
        attention = attention_for(inputs, is_bfloat16=is_bfloat16(device, precision))
        with autocast(device, precision), attention:
            yield
