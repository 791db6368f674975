"""Turns the spec of a network's run into a trained network and a stream of log items."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmark.classifier.network import WEIGHTS_FILE
from benchmark.data.cache import cache_folder
from benchmark.data.figures import write_figure
from benchmark.data.prepared import PreparedData
from benchmark.evaluation.cost import network_cost, time_inference
from benchmark.evaluation.pictures import draw_training
from benchmark.evaluation.predictions import Predictions, predict_split
from benchmark.explain.explainers import NetworkExplainer
from benchmark.processes.permissions import usual_permissions
from benchmark.runs.explanations import log_explanations
from benchmark.runs.initial_weights import start_network
from benchmark.runs.kept_weights import keeps
from benchmark.runs.options import Report, RunOptions
from benchmark.runs.pooled_features import pooled_features
from benchmark.runs.results import log_predictions
from benchmark.runs.teacher import read_teacher
from benchmark.study.plan import RunSpec
from benchmark.tracking.items import Artifact, LogItem, Metric, Tag, metrics
from benchmark.tracking.writer import Tracker
from benchmark.training.checkpoint import CHECKPOINTS, Checkpoint
from benchmark.training.devices import PeakMemory, find_device, is_bfloat16, now
from benchmark.training.epochs import EpochResult
from benchmark.training.images import Examples, image_examples
from benchmark.training.inference import EMBEDDINGS_FILE, classify, embed, save_embeddings
from benchmark.training.trainer import Trainer
from registry import models

logger = logging.getLogger(__name__)


def checkpoint_of(spec: RunSpec, options: RunOptions) -> Checkpoint:
    """Where a network's training goes on that was interrupted on this machine."""
    return Checkpoint(options.home / CHECKPOINTS / f"{spec.id}.pt", options.checkpoint_seconds)


class NetworkRun:
    """One network, from fresh or pretrained weights to its log."""

    def __init__(
        self,
        spec: RunSpec,
        options: RunOptions,
        data: PreparedData,
        tracker: Tracker,
        scratch: Path,
    ) -> None:
        """Build the network and load its weights.

        Args:
            spec: What to train.
            options: Where and how.
            data: The images.
            tracker: Finds the runs that pretrained the weights, and that teach.
            scratch: Folder for files on their way to MLflow.

        Raises:
            Skipped: Pretrained weights cannot be had.
        """
        self.spec = spec
        self.options = options
        self.data = data
        self.scratch = scratch
        self.device = find_device(options.device)
        self.network = start_network(spec, options, tracker)
        self.teacher = read_teacher(spec, data, tracker)

    def log(self, report: Report) -> Iterator[LogItem]:
        """Train, evaluate and explain.

        Args:
            report: Called after each epoch that is trained now.

        Yields:
            All that is to be tracked.
        """
        spec = self.spec
        memory = PeakMemory(self.device)
        size, classes, flips = spec.image_size, spec.data.num_classes, spec.train.test_flip
        yield from metrics(network_cost(spec.system, size, classes, test_flip=flips))
        in_bfloat16 = is_bfloat16(self.device, spec.train.precision)
        yield Tag("precision", "bfloat16" if in_bfloat16 else "float32")  # what auto came to
        images = image_examples(self.data, self.device)
        images.teach(self.teacher)
        trainer = Trainer(self.network, images, spec.train, spec.system.schedule, spec.seed)
        if spec.pretraining:
            trainer.lr_setting = "pretrain.lr"
        cache_folder(self.options.home, CHECKPOINTS)
        trainer.checkpoint = checkpoint_of(spec, self.options)
        pooling = 0.0
        if trainer.frozen_epochs:
            trainer.features, pooling = pooled_features(
                spec, self.options, self.network, images, self.data.samples
            )
        start = now(self.device)
        history: list[EpochResult] = []
        for result in trainer.fit():
            if trainer.resumed and not history:
                done, epochs = len(trainer.resumed), spec.train.epochs
                logger.warning("%s goes on after epoch %d of %d", spec.name, done, epochs)
            history.append(result)
            if len(history) > len(trainer.resumed):
                report(spec, result)
            yield from _epoch_metrics(result)
        before = pooling + sum(result.seconds for result in trainer.resumed)
        yield Metric("fit_seconds", before + now(self.device) - start)
        yield from self._log_training(trainer, history)
        inference_ms = time_inference(self.network, images, spec.train)
        yield Metric("inference_ms", inference_ms)
        stored = sum(tensor.nbytes for tensor in self.network.state_dict().values())
        yield Metric("size_mb", stored / 1e6)
        validation, predictions = yield from self._log_results(
            trainer.features or images, inference_ms
        )
        yield from metrics(memory.metrics())
        if self.options.explain and not spec.pretraining:
            model = models[spec.system.model]
            yield from log_explanations(
                lambda: NetworkExplainer(self.network, model, spec.train.precision),
                predictions,
                self.data,
                self.device,
                self.scratch,
            )
        yield from self._saved(validation)

    def _log_training(self, trainer: Trainer, history: list[EpochResult]) -> Iterator[LogItem]:
        best = trainer.best.result
        assert best is not None
        yield from metrics(
            {
                "best_epoch": float(best.epoch),
                "best_val_loss": min(result.val_loss for result in history),
                "epochs_run": float(len(history)),
            }
        )
        if trainer.pieces.count > 1:
            yield Tag("gradient_accumulation", f"each batch in {trainer.pieces.count} pieces")
        frozen = trainer.frozen_epochs if self.spec.system.schedule == "staged" else 0
        unfrozen = frozen + 1 if frozen else None
        write_figure(
            self.scratch / "training.png",
            lambda: draw_training(history, best.epoch, unfrozen, self.spec.heading),
        )
        yield Artifact(self.scratch / "training.png")

    def _log_results(
        self, examples: Examples, inference_ms: float
    ) -> Generator[LogItem, None, tuple[Predictions, Predictions]]:
        """Score val, and the test split once; keep all rows' embeddings where heads need them."""
        config = self.spec.train
        test = self.data.rows("test")
        if self.spec.id in self.options.save_train_predictions:
            train = embed(self.network, examples, examples.rows("train"), config)
            taught = predict_split(self.data, "train", classify(self.network, train))
            taught.save(self.scratch / "predictions")
            yield Tag("train_predictions", "kept")
        if self.spec.id in self.options.save_embeddings:
            everything = torch.arange(len(examples.inputs))
            embeddings = embed(self.network, examples, everything, config)
            save_embeddings(self.scratch / EMBEDDINGS_FILE, embeddings, inference_ms)
            yield Artifact(self.scratch / EMBEDDINGS_FILE)
            yield Tag("embeddings", "kept")
            val, embeddings = embeddings[self.data.rows("val")], embeddings[test]
        else:
            val = embed(self.network, examples, examples.rows("val"), config)
            embeddings = embed(self.network, examples, examples.rows("test"), config)
        validation = predict_split(self.data, "val", classify(self.network, val))
        validation.save(self.scratch / "predictions")
        # Not the epoch's: its logits may tie in bfloat16, in which these are not computed.
        yield Metric("best_val_accuracy", float(validation.correct.mean()))
        probabilities = classify(self.network, embeddings)
        predictions = predict_split(self.data, "test", probabilities)
        yield from log_predictions(predictions, self.data, self.spec.heading, self.scratch)
        return validation, predictions

    def _saved(self, validation: Predictions) -> Iterator[LogItem]:
        """Save the weights, if they are to be kept."""
        correct = validation.correct
        accuracy, images = float(correct.mean()), len(correct)
        if tags := [*keeps(self.spec, self.options, accuracy, images)]:
            state = {k: v.contiguous() for k, v in self.network.state_dict().items()}
            with usual_permissions(self.scratch / WEIGHTS_FILE) as file:
                save_file(state, file)
            yield Artifact(self.scratch / WEIGHTS_FILE)
            yield from tags


def _epoch_metrics(result: EpochResult) -> list[Metric]:
    values = {
        "train_loss": result.train_loss,
        "train_accuracy": result.train_accuracy,
        "val_loss": result.val_loss,
        "val_accuracy": result.val_accuracy,
        "epoch_seconds": result.seconds,
    }
    if not math.isnan(result.gradient_norm):
        values["gradient_norm"] = result.gradient_norm
    return metrics(values, step=result.epoch)
