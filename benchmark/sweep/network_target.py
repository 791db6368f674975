"""Turns a network into something to sweep: its training settings vary, its steps are epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from pydantic import ValidationError

from benchmark.runs.initial_weights import start_network
from benchmark.runs.options import RunOptions
from benchmark.runs.pooled_features import pooled_features
from benchmark.runs.run_one import open_data, open_tracker
from benchmark.runs.teacher import read_teacher
from benchmark.study.config import TrainConfig
from benchmark.study.plan import RunSpec, content_hash
from benchmark.sweep.objective import Objective, Target
from benchmark.sweep.space import Grid, Params, read_grid
from benchmark.tracking.tracked_run import Skipped
from benchmark.training.devices import find_device
from benchmark.training.images import Examples, image_examples
from benchmark.training.trainer import Diverged, Trainer
from registry.errors import UserError
from registry.search_space import SearchSpace, Suggest

WEIGHT_DECAYS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
BATCH_SIZES = (8, 16, 32, 64, 128)


@dataclass(frozen=True, kw_only=True)
class NetworkTarget(Target):
    """A network whose training settings vary; the base's are those from which the sweep starts."""

    trials = 20
    unit = "epochs_trained"
    param_prefix = "train."
    start_title = "the settings it began with"

    @property
    def search_space(self) -> SearchSpace:
        """What is varied in its training, around the base's settings."""
        train, staged = self.base.train, self.base.system.schedule == "staged"
        decays = sorted({*WEIGHT_DECAYS, train.weight_decay})
        batches = sorted({*BATCH_SIZES, train.batch_size})

        def suggest(trial: Suggest) -> Params:
            rates = min(1e-5, train.lr), max(1e-1, train.lr)
            suggested = {
                "lr": trial.suggest_float("lr", *rates, log=True),
                "weight_decay": trial.suggest_categorical("weight_decay", decays),
                "batch_size": trial.suggest_categorical("batch_size", batches),
            }
            if staged:
                most = max(train.epochs - 1, train.freeze_epochs)
                suggested["freeze_epochs"] = trial.suggest_int("freeze_epochs", 0, most)
            return suggested

        names = ["lr", "weight_decay", "batch_size", *(["freeze_epochs"] if staged else [])]
        return SearchSpace(suggest=suggest, defaults={name: getattr(train, name) for name in names})

    @property
    def start_points(self) -> list[Params]:
        """See `Target`."""
        return [dict(self.search_space.defaults)]

    def spec(self, params: Mapping[str, Any]) -> RunSpec:
        """The network's run with these settings.

        Raises:
            UserError: A setting does not take the value.
        """
        try:
            train = TrainConfig.model_validate({**self.base.train.model_dump(), **params})
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{first['loc'][0]}={first['input']}: {first['msg'].lower()}"
            ) from error
        return replace(self.base, train=train)

    def grid(self, axes: Sequence[str]) -> Grid:
        """See `Target`."""
        grid = read_grid(axes, self.name, list(self.search_space.defaults))
        for cell in grid.points():
            self.spec(cell)
        return grid

    @property
    def warmup(self) -> int:
        """See `Target`."""
        return max(1, self.base.train.epochs // 5)

    @property
    def last_step(self) -> int:
        """See `Target`."""
        return self.base.train.epochs

    def key(self, params: Params) -> str:
        """See `Target`."""
        return content_hash(params)

    def size(self, params: Params) -> int:
        """See `Target`."""
        return self.base.train.epochs

    def measurement(self, objective: Objective) -> NetworkMeasurement:
        """See `Target`."""
        return NetworkMeasurement(self, objective.options)


class NetworkMeasurement:
    """Trains a network for each trial; see `benchmark.sweep.objective.Measurement`.

    After each epoch it tells the best validation accuracy so far, in staged fine-tuning from the
    first unfrozen one: no trial is pruned for what its frozen epochs reached. A frozen backbone is
    run once for all trials.
    """

    def __init__(self, target: NetworkTarget, options: RunOptions) -> None:
        """Read the images, and check that the weights to start from are there.

        Raises:
            UserError: They cannot be had.
        """
        base = target.base
        self.work = 0
        """Epochs."""
        self._target = target
        self._options = options
        self._tracker = open_tracker(options.store)
        data = open_data(base.data, base.input, options.home)
        self._images = image_examples(data, find_device(options.device))
        self._images.teach(read_teacher(base, data, self._tracker))
        self._features: Examples | None = None
        try:
            network = start_network(base, options, self._tracker)
        except Skipped as error:
            raise UserError(f"{target.name} cannot be swept: {error}") from error
        if base.system.schedule != "scratch":
            network = network.to(self._images.device)
            images = self._images
            self._features, _ = pooled_features(base, options, network, images, data.samples)

    def measure(self, params: Params) -> Iterator[tuple[int, float]]:
        """See `Measurement`.

        Raises:
            TrialPruned: The loss is no longer a number.
        """
        spec = self._target.spec(params)
        train = spec.train
        network = start_network(spec, self._options, self._tracker)
        trainer = Trainer(network, self._images, train, spec.system.schedule, spec.seed)
        trainer.features = self._features
        try:
            for result in trainer.fit():
                self.work += 1
                best = trainer.best.result or result  # whose weights a run would keep
                if result.epoch > trainer.frozen_epochs or trainer.frozen_epochs == train.epochs:
                    yield result.epoch, best.val_accuracy
        except Diverged as error:
            raise optuna.TrialPruned(str(error).partition(";")[0]) from error
