"""Turns systems and a configuration into a plan: all runs that they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from benchmark.study.config import Config, TrainConfig
from benchmark.study.inputs import input_of
from benchmark.study.plan import DataSpec, Plan, RunSpec, WeightsName, content_hash
from benchmark.study.suite import System, find_systems
from registry import UserError, heads, models
from registry.code import code_id
from registry.weights import TimmWeights, file_hash

PRETRAINING_SEED = 0
"""Of its division, weights and batches: all repeats start from the same weights."""


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
    expansion = _Expansion(systems, config, data, pretraining_data)
    for seed in seeds or (config.seed,):
        for system in expansion.systems:
            expansion.run(system, seed)
    return Plan(expansion.specs.values())


class _Expansion:
    """The runs so far, by id, each after those that it needs."""

    def __init__(
        self,
        systems: Iterable[System],
        config: Config,
        data: DataSpec,
        pretraining_data: DataSpec | None,
    ) -> None:
        self.systems = list(systems)
        self.specs: dict[str, RunSpec] = {}
        self._config, self._data, self._pretraining_data = config, data, pretraining_data
        self._teachers = find_teachers(self.systems, config)
        self._untaught = {teacher.backbone.name for teacher in self._teachers.values()}

    def run(self, system: System, seed: int) -> RunSpec:
        backbone = self._network(system.backbone, seed)
        if system.head is None:
            return backbone
        code = code_id(heads[system.head].factory)
        return self._add(replace(backbone, system=system, needs=(backbone.id,), code_id=code))

    def _network(self, system: System, seed: int) -> RunSpec:
        train = self._config.train_of(system.name)
        if system.name in self._untaught:
            train = train.model_copy(update={"teacher": None})
        needs = [spec.id for spec in self._needs(system, train, seed)]
        spec = RunSpec(
            system=system,
            data=self._data,
            train=train,
            seed=seed,
            input=input_of(system.model, self._config),
            weights=initial_weights(system, self._config),
            needs=tuple(needs),
            shared=shared_settings(self._config),
            code_id=code_id(models[system.model].factory),
        )
        weights_id = spec.pretraining_id or file_id(spec, self._config.weights_folder)
        return self._add(replace(spec, weights_id=weights_id))

    def _needs(self, system: System, train: TrainConfig, seed: int) -> Iterator[RunSpec]:
        if is_pretrained(system, self._config):
            assert self._pretraining_data is not None
            yield self._add(_pretraining(system, self._config, self._pretraining_data))
        if train.teacher is not None:
            yield self.run(self._teachers[train.teacher], seed)

    def _add(self, spec: RunSpec) -> RunSpec:
        return self.specs.setdefault(spec.id, spec)


def shared_settings(config: Config) -> str:
    """Hash what the rows of a table share where not all are trained alike."""
    if not config.recipes and config.train.teacher is None:
        return ""
    return content_hash(config.train.model_dump(), config.recipes)


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
        code_id=code_id(models[system.model].factory),
    )


def initial_weights(system: System, config: Config) -> WeightsName:
    """Say what a system's network starts from; demo stands in for what is not installed."""
    if system.schedule == "scratch":
        return "none"
    source = models[system.model].weights
    return "imagenet" if source is not None and source.installed else config.weights


def file_id(spec: RunSpec, folder: Path | str | None) -> str:
    """Hash the user's file of a network's weights, whose name does not tell what it holds.

    Args:
        spec: Of the network.
        folder: Where the user keeps such files.

    Returns:
        Its SHA-256; empty if there is none.
    """
    source = models[spec.system.model].weights
    if spec.weights != "imagenet" or folder is None or not isinstance(source, TimmWeights):
        return ""
    file = source.file_in(Path(folder))
    return "" if file is None else file_hash(file)


def is_pretrained(system: System, config: Config) -> bool:
    """Whether a system's network starts from weights that are made here, on drawn species."""
    from_demo = initial_weights(system, config) == "demo"
    return from_demo and fnmatch(system.model, config.pretrain.models)
