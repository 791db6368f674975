"""Turns systems and a configuration into runs, ordered by what they need of each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from typing import Any, Literal

from benchmark.study.config import Config, TrainConfig
from benchmark.study.inputs import input_of
from benchmark.study.suite import System, find_systems
from registry import UserError, models
from registry.specs import STUDY_INPUT, InputSpec

SPEC_VERSION = 8
"""Raise it when the same spec would give other results: no earlier run is then reused."""

PRETRAINING = "pretraining"
PRETRAINING_SEED = 0
"""Of its division, weights and batches: all repeats start from the same weights."""
WeightsName = Literal["none", "imagenet", "demo"]


def content_hash(*parts: Any) -> str:
    """Hash plain values; the same values give the same 16 hexadecimal digits everywhere."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set as a run refers to it: by content, not by place.

    Attributes:
        name: For people; a renamed folder is the same data.
        fingerprint: Hash of every file's part, class, name and bytes.
        image_size: Side in pixels of the images for models that were made for no size.
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

    @property
    def content(self) -> dict[str, Any]:
        """All but the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run, by names and values only: picklable, and the same everywhere.

    Attributes:
        system: What is trained or fitted.
        data: On which images.
        input: As what its network is shown them; a head carries its backbone's.
        train: How networks are trained; a head carries its backbone's.
        seed: Of initial weights, batches and trees.
        weights: What the network starts from; a head carries its backbone's.
        needs: Ids of runs whose results it takes: a head its backbone, a demo-pretrained network
            its pretraining, a network that has a teacher that, as the last.
        pretraining: Whether it only makes weights for other runs.
        shared: Hash of the settings that its table shares, where systems have recipes of their
            own; empty where its own settings are those of all.
    """

    system: System
    data: DataSpec
    train: TrainConfig
    seed: int
    input: InputSpec = STUDY_INPUT
    weights: WeightsName = "none"
    needs: tuple[str, ...] = ()
    pretraining: bool = False
    shared: str = ""

    @cached_property
    def id(self) -> str:
        """Hash of its content, and through `needs` of all that it builds on."""
        return content_hash(SPEC_VERSION, {**self.settings, "data": self.data.content})

    @property
    def image_size(self) -> int:
        """Side of its network's images in pixels."""
        return self.input.size or self.data.image_size

    @property
    def settings(self) -> dict[str, Any]:
        """Its content as nested plain values."""
        return {
            "system": asdict(self.system),
            "data": asdict(self.data),
            "input": asdict(self.input),
            "train": self.train.model_dump(),
            "seed": self.seed,
            "weights": self.weights,
            "needs": list(self.needs),
            "pretraining": self.pretraining,
            "shared": self.shared,
        }

    @property
    def context(self) -> str:
        """Hash of what runs must share to stand in one table: data, split, training settings.

        Each network is shown the images as it was made for, so its input is not among it; nor is
        the seed, by which runs are repeats of each other.
        """
        settings = self.shared or self.train.model_dump()
        return content_hash(SPEC_VERSION, self.data.content, settings)

    @property
    def pretraining_id(self) -> str | None:
        """Id of the run that made the weights that its network starts from."""
        others = len(self.needs) - (self.teacher_id is not None)
        return self.needs[0] if self.weights == "demo" and others else None

    @property
    def teacher_id(self) -> str | None:
        """Id of the run whose predictions it learns from."""
        taught = self.train.teacher is not None and self.system.head is None
        return self.needs[-1] if taught else None

    @property
    def name(self) -> str:
        """Its name in the plan, the leaderboard and MLflow."""
        return f"{self.system.model}-pretrained" if self.pretraining else self.system.name

    @property
    def label(self) -> str:
        """Its name, with its seed unless that is 0, to tell it from its repeats."""
        return f"{self.name} (seed {self.seed})" if self.seed else self.name

    @property
    def title(self) -> str:
        """Its system's name for people; what learned from a teacher is told from what did not."""
        taught = self.train.teacher is not None
        return f"{self.system.title} (distilled)" if taught else self.system.title

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

    def needed_by(self, id_: str) -> frozenset[str]:
        """Ids of the runs that a run needs, directly or through others."""
        needs = self[id_].needs
        return frozenset(needs).union(*(self.needed_by(need) for need in needs))

    def dependants(self, id_: str) -> list[RunSpec]:
        """The runs that need a run directly."""
        return [spec for spec in self if id_ in spec.needs]


def make_plan(
    systems: Iterable[System],
    config: Config,
    data: DataSpec,
    pretraining_data: DataSpec | None,
    seeds: Sequence[int] = (),
) -> Plan:
    """Expand systems into runs with everything that they need.

    Args:
        systems: What the user asked for.
        config: The configuration.
        data: The images of the study.
        pretraining_data: The demo images, if a system `is_pretrained`.
        seeds: Of the repeats of each system; none for the configuration's alone.

    Returns:
        The plan, all systems with the first seed before the next: for each head also its backbone,
        for each demo-pretrained network its pretraining, for each network that learns from a
        teacher that, of its own seed.

    Raises:
        UserError: A teacher's name does not stand for one system.
    """
    specs: dict[str, RunSpec] = {}
    systems = list(systems)
    teachers = find_teachers(systems, config)
    untaught = {teacher.backbone.name for teacher in teachers.values()}

    def add(spec: RunSpec) -> RunSpec:
        return specs.setdefault(spec.id, spec)

    def run(system: System, seed: int) -> RunSpec:
        backbone = network(system.backbone, seed)
        if system.head is None:
            return backbone
        return add(replace(backbone, system=system, needs=(backbone.id,)))

    def network(system: System, seed: int) -> RunSpec:
        train = config.train_of(system.name)
        if system.name in untaught:
            train = train.model_copy(update={"teacher": None})
        needs = []
        weights = initial_weights(system, config)
        if is_pretrained(system, config):
            assert pretraining_data is not None
            needs.append(add(_pretraining(system, config, pretraining_data)).id)
        if train.teacher is not None:
            needs.append(run(teachers[train.teacher], seed).id)
        return add(
            RunSpec(
                system=system,
                data=data,
                train=train,
                seed=seed,
                input=input_of(system.model, config),
                weights=weights,
                needs=tuple(needs),
                shared=shared_settings(config),
            )
        )

    for seed in seeds or (config.seed,):
        for system in systems:
            run(system, seed)
    return Plan(specs.values())


def shared_settings(config: Config) -> str:
    """Hash what the rows of a table share where systems have recipes of their own."""
    return content_hash(config.train.model_dump(), config.recipes) if config.recipes else ""


def find_teachers(systems: Iterable[System], config: Config) -> dict[str, System]:
    """Find the systems that networks learn from.

    Returns:
        Each by its name in the settings.

    Raises:
        UserError: A name does not stand for one system.
    """
    recipes = [config.train_of(system.backbone.name) for system in systems]
    names = {recipe.teacher for recipe in recipes if recipe.teacher is not None}
    found = {name: find_systems([name]) for name in sorted(names)}
    for name, chosen in found.items():
        if len(chosen) > 1:
            raise UserError(
                f"train.teacher={name} stands for {len(chosen)} systems; name one, such as "
                f"{chosen[0].name}"
            )
    return {name: chosen[0] for name, chosen in found.items()}


def _pretraining(system: System, config: Config, data: DataSpec) -> RunSpec:
    train = config.train.model_copy(
        update={"epochs": config.pretrain.epochs, "lr": config.pretrain.lr, "teacher": None}
    )
    return RunSpec(
        system=System(model=system.model, schedule="scratch"),
        data=data,
        input=input_of(system.model, config),
        train=train,
        seed=PRETRAINING_SEED,
        pretraining=True,
    )


def initial_weights(system: System, config: Config) -> WeightsName:
    """Say what a system's network starts from; demo stands in for what is not installed."""
    if system.schedule == "scratch":
        return "none"
    source = models[system.model].weights
    return "imagenet" if source is not None and source.installed else config.weights


def is_pretrained(system: System, config: Config) -> bool:
    """Whether a system's network starts from weights that are made here, on drawn species."""
    from_demo = initial_weights(system, config) == "demo"
    return from_demo and fnmatch(system.model, config.pretrain.models)
