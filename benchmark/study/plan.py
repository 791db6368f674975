"""Turns systems and a configuration into runs, ordered by what they need of each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from benchmark.study.config import Config, TrainConfig
from benchmark.study.suite import System
from registry import models

SPEC_VERSION = 3
"""Raise it when the same spec would give other results: no earlier run is then reused."""

PRETRAINING = "pretraining"
WeightsName = Literal["none", "imagenet", "demo"]


def content_hash(*parts: Any) -> str:
    """Hash plain values; the same values give the same 16 hexadecimal digits everywhere."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set as a run refers to it: by content, not by place.

    Attributes:
        name: For people.
        fingerprint: Hash of every file's class, name and bytes.
        image_size: Side of the square images in pixels.
        num_classes: How many classes.
        num_images: How many images were decoded.
        seed: Of the division into train, val and test.
    """

    name: str
    fingerprint: str
    image_size: int
    num_classes: int
    num_images: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run, by names and values only: picklable, and the same everywhere.

    Attributes:
        system: What is trained or fitted.
        data: On which images.
        train: How networks are trained; a head carries its backbone's.
        seed: Of initial weights, batches and trees.
        weights: What the network starts from; a head carries its backbone's.
        needs: Ids of runs whose results it takes: a head its backbone, a demo-pretrained network
            its pretraining.
        pretraining: Whether it only makes weights for other runs.
    """

    system: System
    data: DataSpec
    train: TrainConfig
    seed: int
    weights: WeightsName = "none"
    needs: tuple[str, ...] = ()
    pretraining: bool = False

    @cached_property
    def id(self) -> str:
        """Hash of its content, and through `needs` of all that it builds on."""
        return content_hash(SPEC_VERSION, self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """Its content as nested plain values."""
        return {
            "system": asdict(self.system),
            "data": asdict(self.data),
            "train": self.train.model_dump(),
            "seed": self.seed,
            "weights": self.weights,
            "needs": list(self.needs),
            "pretraining": self.pretraining,
        }

    @property
    def context(self) -> str:
        """Hash of what runs must share to stand in one table: data, training settings, seed."""
        return content_hash(asdict(self.data), self.train.model_dump(), self.seed)

    @property
    def name(self) -> str:
        """Its name in the plan, the leaderboard and MLflow."""
        return f"{self.system.model}-pretrained" if self.pretraining else self.system.name

    @property
    def group(self) -> str:
        """From scratch, experiment 1, experiment 2, or pretraining."""
        return PRETRAINING if self.pretraining else self.system.group


class Plan:
    """Runs by id, each after those that it needs: an id hashes the needs, so no cycle can be."""

    def __init__(self, specs: Iterable[RunSpec]) -> None:
        """Keep the runs in the order given.

        Args:
            specs: Closed and ordered: before every run come those that it needs.
        """
        self._specs: dict[str, RunSpec] = {}
        for spec in specs:
            assert all(need in self._specs for need in spec.needs), spec.name
            self._specs[spec.id] = spec

    def __iter__(self) -> Iterator[RunSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    def __getitem__(self, id_: str) -> RunSpec:
        return self._specs[id_]

    def dependants(self, id_: str) -> list[RunSpec]:
        """The runs that need a run directly."""
        return [spec for spec in self if id_ in spec.needs]


def make_plan(
    systems: Iterable[System], config: Config, data: DataSpec, pretraining_data: DataSpec | None
) -> Plan:
    """Expand systems into runs with everything that they need.

    Args:
        systems: What the user asked for.
        config: The configuration.
        data: The images of the study.
        pretraining_data: The demo images, if a system's `initial_weights` are ``demo``.

    Returns:
        The plan: for each head also its backbone, for each demo-pretrained network its pretraining.
    """
    specs: dict[str, RunSpec] = {}

    def add(spec: RunSpec) -> RunSpec:
        return specs.setdefault(spec.id, spec)

    def network(system: System) -> RunSpec:
        weights = initial_weights(system, config)
        spec = RunSpec(
            system=system, data=data, train=config.train, seed=config.seed, weights=weights
        )
        if weights != "demo":
            return add(spec)
        assert pretraining_data is not None
        pretraining = add(_pretraining(system, config, pretraining_data))
        return add(replace(spec, needs=(pretraining.id,)))

    for system in systems:
        backbone = network(system.backbone)
        if system.head is not None:
            add(replace(backbone, system=system, needs=(backbone.id,)))
    return Plan(specs.values())


def _pretraining(system: System, config: Config, data: DataSpec) -> RunSpec:
    train = config.train.model_copy(
        update={"epochs": config.pretrain.epochs, "lr": config.pretrain.lr}
    )
    return RunSpec(
        system=System(model=system.model, schedule="scratch"),
        data=data,
        train=train,
        seed=config.seed,
        pretraining=True,
    )


def initial_weights(system: System, config: Config) -> WeightsName:
    """Say what a system's network starts from; demo stands in for what is not installed."""
    if system.schedule == "scratch":
        return "none"
    source = models[system.model].weights
    return "imagenet" if source is not None and source.installed else config.weights


def check_image_size(systems: Iterable[System], image_size: int) -> None:
    """Build each model without memory to see that it takes the image size.

    Raises:
        UserError: A model does not; its factory says what to do.
    """
    import torch

    with torch.device("meta"):
        for name in dict.fromkeys(system.model for system in systems):
            models[name].make(image_size)
