"""Turns runs that were measured into how long planned ones, and those that go on, will take."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from registry.errors import PluginError, UserError

if TYPE_CHECKING:
    from benchmark.runs.options import RunOptions
    from benchmark.training.epochs import EpochResult

BACKWARD = 2.0
"""A backward pass takes so many times as long as a forward pass."""
TRAIN_SHARE = 0.7
"""Of all images, as the study divides them; data that bring their own parts may have others."""
_METRICS = ("fit_seconds", "head_fit_seconds", "explain_seconds", "epochs_run", "flops")
_COUNTS = ("data.num_images", "train.freeze_epochs", "head.n_estimators")
_PARAMS = ("system.model", "system.schedule", "train.test_flip", *_COUNTS)
_TAGS = ("head", "hardware", "device")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run took.

    Attributes:
        model: Of its network.
        schedule: Likewise.
        head: Name of its head; empty for a network.
        work: Of its fit: a network's in FLOPs, a head's in trees times images.
        fit: How long that took, in seconds; a head's without its backbone's.
        rest: How long all else took: evaluation, explanations, tracking.
    """

    model: str
    schedule: str
    head: str
    work: float
    fit: float
    rest: float


class Forecast:
    """Expects of a run what the most similar one took that was measured on the same machine."""

    def __init__(self, measured: Iterable[Measured] = ()) -> None:
        """Begin with what is known.

        Args:
            measured: The newest first.
        """
        self._measured = [one for one in measured if one.work > 0 and one.fit > 0]

    def learn(
        self, spec: RunSpec, seconds: float, explaining: float = 0.0, epochs: int | None = None
    ) -> None:
        """Take in a run that has just ended.

        Args:
            spec: The run.
            seconds: That it took in all.
            explaining: Seconds of them that went into explanations.
            epochs: That it trained, if it stopped early.
        """
        if (work := work_of(spec, epochs)) is not None:
            fit = max(0.0, seconds - explaining)
            self._measured.insert(0, _measured(spec.system, work, fit, seconds - fit))

    def add(self, system: System, work: float, fit: float) -> None:
        """Take in a few steps that were timed, which count less than whole runs."""
        self._measured.append(_measured(system, work, fit, 0.0))

    def knows(self, spec: RunSpec) -> bool:
        """Whether its network or its head was measured."""
        return any(self._alike(one, spec) or self._trained(one, spec) for one in self._measured)

    def seconds(self, spec: RunSpec) -> float | None:
        """How long a run will take; None if nothing like it was measured, or it cannot be made."""
        work = work_of(spec)
        if work is None:
            return None
        if alike := next((one for one in self._measured if self._alike(one, spec)), None):
            return alike.fit * work / alike.work + alike.rest
        others = [one for one in self._measured if bool(one.head) == bool(spec.system.head)]
        if not others:
            return None
        if spec.system.head is not None:
            return statistics.median(one.fit + one.rest for one in others)
        speed = self._speed(spec)
        rest = statistics.median(one.rest for one in others)
        return None if speed is None else work / speed + rest

    def total(self, specs: Iterable[RunSpec]) -> float | None:
        """How long runs take together; None if that of one of them is not known."""
        each = [self.seconds(spec) for spec in specs]
        return None if None in each else sum(filter(None, each))

    def rest(self, spec: RunSpec) -> float:
        """How long a run will take besides its fit, as far as it is known."""
        rests = [one.rest for one in self._measured if self._alike(one, spec)]
        return rests[0] if rests else 0.0

    def left(self, spec: RunSpec, result: EpochResult, passed: float) -> float:
        """How long the training of a network takes at most from an epoch on, in seconds.

        While its backbone is frozen, the epochs to come will take longer than those that were:
        they are expected from what was measured, or else from how long the frozen backbone took.

        Args:
            spec: The network.
            result: Of its last epoch.
            passed: Seconds since the run began.
        """
        epochs, frozen = spec.train.epochs, spec.train.frozen_epochs(spec.system.schedule)
        if result.epoch > frozen or frozen == epochs:
            return result.seconds * (epochs - result.epoch)
        ahead = result.seconds * (frozen - result.epoch)
        flops = _flops(spec)
        if flops is None:
            return ahead + result.seconds * (epochs - frozen)
        speed = self._speed(spec) or flops * spec.data.num_images / passed
        return ahead + (epochs - frozen) * _epoch_work(flops, spec.data.num_images) / speed

    def _alike(self, one: Measured, spec: RunSpec) -> bool:
        if one.head or spec.system.head:
            return one.head == (spec.system.head or "")
        return (one.model, one.schedule) == (spec.system.model, spec.system.schedule)

    def _trained(self, one: Measured, spec: RunSpec) -> bool:
        own = one.model == spec.system.model and spec.system.head is None
        return own and not one.head and one.schedule != "frozen"

    def _speed(self, spec: RunSpec) -> float | None:
        """FLOPs a second in training: of the same model, else the median of all networks."""
        trained = [one for one in self._measured if not one.head and one.schedule != "frozen"]
        own = [one for one in trained if self._trained(one, spec)]
        speeds = [one.work / one.fit for one in own[:1] or trained]
        return statistics.median(speeds) if speeds else None


def read_measured(options: RunOptions) -> list[Measured]:
    """Read from the store what runs took on this machine and device, the newest first."""
    from benchmark.tracking.reader import COMPLETED, Columns, read_runs
    from benchmark.training.devices import find_device, hardware

    if not options.store.exists():
        return []
    columns = Columns(metrics=_METRICS, params=_PARAMS, tags=_TAGS)
    try:
        runs = read_runs(options.store, columns, COMPLETED)
    except UserError:  # there is no experiment yet
        return []
    device = find_device(options.device)
    here = (runs["tags.device"] == str(device)) & (runs["tags.hardware"] == hardware(device))
    numbers = [f"metrics.{name}" for name in _METRICS] + [f"params.{name}" for name in _COUNTS]
    runs[numbers] = runs[numbers].apply(pd.to_numeric, errors="coerce")
    return [_read(row, options) for row in runs[here].to_dict("records")]


def _read(row: dict[Hashable, Any], options: RunOptions) -> Measured:
    """A run of the store; what it does not tell becomes nan."""
    schedule, images = row["params.system.schedule"], row["params.data.num_images"]
    head, fit, epochs = row["tags.head"], row["metrics.fit_seconds"], row["metrics.epochs_run"]
    if head:
        rounds = row["params.head.n_estimators"]
        work, fit = images * (1 if pd.isna(rounds) else rounds), row["metrics.head_fit_seconds"]
    else:
        frozen = {"staged": row["params.train.freeze_epochs"], "frozen": epochs}.get(schedule, 0)
        passes = 2 if row["params.train.test_flip"] == "True" else 1
        work = _work(row["metrics.flops"] / passes, images, epochs, frozen)
    explained = 0.0 if options.explain else np.nan_to_num(row["metrics.explain_seconds"])
    return Measured(
        model=row["params.system.model"],
        schedule=schedule,
        head=head or "",
        work=float(work),
        fit=float(fit),
        rest=max(0.0, row["seconds"] - fit - explained),
    )


def time_unknown(forecast: Forecast, specs: Iterable[RunSpec], options: RunOptions) -> int:
    """Time a few steps of each network and head of which the forecast does not know enough.

    Returns:
        How many were timed.
    """
    from benchmark.evaluation.cost import time_fit, time_training
    from benchmark.training.devices import find_device

    timed = 0
    for spec in specs:
        system, classes = spec.system, spec.data.num_classes
        if forecast.knows(spec):
            continue
        try:
            if system.head is not None:
                forecast.add(system, 1.0, time_fit(system, classes))
            else:
                flops = _network_flops(system.model, spec.image_size, classes)
                device = find_device(options.device)
                seconds = time_training(system, spec.image_size, classes, device)
                forecast.add(replace(system, schedule="scratch"), (1 + BACKWARD) * flops, seconds)
        except (PluginError, UserError):  # its run will say why
            continue
        timed += 1
    return timed


def work_of(spec: RunSpec, epochs: int | None = None) -> float | None:
    """The work of fitting, in so many epochs or all; None if a plugin cannot make its network."""
    if spec.system.head is not None:
        rounds = dict(spec.system.params).get("n_estimators", 1)
        return float(rounds) * spec.data.num_images
    flops = _flops(spec)
    if flops is None:
        return None
    frozen = spec.train.frozen_epochs(spec.system.schedule)
    return _work(flops, spec.data.num_images, epochs or spec.train.epochs, frozen)


def _work(flops: float, images: int, epochs: float, frozen: int) -> float:
    """FLOPs of training: a frozen backbone is run once over all images."""
    once = flops * images if frozen else 0.0
    return once + max(0.0, epochs - frozen) * _epoch_work(flops, images)


def _epoch_work(flops: float, images: int) -> float:
    train = TRAIN_SHARE * images
    return flops * ((1 + BACKWARD) * train + (images - train) / 2)


def _flops(spec: RunSpec) -> float | None:
    try:
        return _network_flops(spec.system.model, spec.image_size, spec.data.num_classes)
    except (PluginError, UserError):
        return None


def _network_flops(model: str, image_size: int, num_classes: int) -> float:
    from benchmark.evaluation.cost import network_cost

    return network_cost(System(model=model, schedule="scratch"), image_size, num_classes)["flops"]


def _measured(system: System, work: float, fit: float, rest: float) -> Measured:
    return Measured(
        model=system.model,
        schedule=system.schedule,
        head=system.head or "",
        work=work,
        fit=fit,
        rest=rest,
    )
