"""Turns a configuration and what the user asked for into prepared data, a plan and its options."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from benchmark.data.checks import check_classes
from benchmark.data.demo import DemoSpec
from benchmark.data.grouping import Examined
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.remembered import remembered
from benchmark.data.selection import find_images, select_images
from benchmark.data.sources import Source, demo_source
from benchmark.study.checks import (
    check_definitions,
    check_growing_images,
    warn_of_frozen_to_the_end,
)
from benchmark.study.config import Config, DataConfig
from benchmark.study.expansion import PRETRAINING_SEED, find_teachers, is_pretrained, make_plan
from benchmark.study.inputs import input_of
from benchmark.study.plan import Plan, RunSpec
from benchmark.study.suite import EMBEDDED, System
from registry import ModelSpec, PluginError, UserError, models
from registry.sizes import check_size
from registry.weights import WEIGHTS_SUFFIXES

logger = logging.getLogger(__name__)
SaveWeights = Literal["all", "best", "needed", "none"]
PRETRAINING_SPECIES = 1000
"""The first demo species for pretraining; the data's own are counted from zero."""
_BYTES_PER_PARAMETER = 4
_BASE_BYTES = 2**30
"""Of a process with all libraries."""
_COPIES = 6 * 4
"""Bytes a parameter: weights, gradients, Adam's two averages, the best epoch, and one to spare."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is about to be run.

    Attributes:
        config: The configuration.
        data: The images.
        plan: The runs.
        examined: What was seen of all images that were found.
    """

    config: Config
    data: PreparedData
    plan: Plan
    examined: Examined

    @property
    def seeds(self) -> list[int]:
        """Those of the runs, without what only pretrains."""
        return sorted({spec.seed for spec in self.plan if not spec.pretraining})


def plan_study(
    config: Config,
    chosen: Sequence[System],
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seeds: Sequence[int] = (),
) -> Study:
    """Prepare the data and plan the runs.

    Args:
        config: The configuration.
        chosen: What to run; what it needs comes along.
        home: Folder of the image stores.
        progress: Called with (images done, images in all) while images are drawn, or read.
        seeds: Of the repeats of each system; none for the configuration's alone.

    Raises:
        UserError: The data or the image size does not fit; says what to type.
        PluginError: Nothing of what was chosen can be made.
    """
    _check_weights(config)
    everything = [*chosen, *find_teachers(chosen, config).values()]
    _tell_broken(everything, config, home)

    def prepared(source: Source, systems: Sequence[System], seed: int) -> PreparedData:
        """Decode images as each system's network is shown them, and return them as the first is."""
        prepare_as = partial(
            prepare, source, image_size=config.data.size, seed=seed, home=home, progress=progress
        )
        inputs = dict.fromkeys(input_of(system.model, config) for system in systems)
        first, *_ = (prepare_as(input_=input_) for input_ in inputs)
        return first

    examined = find_images(config, home, progress)
    data = prepared(select_images(config, examined), everything, config.data.split_seed)
    check_classes(data)
    pretraining = None
    if pretrained := [one for one in everything if is_pretrained(one, config)]:
        drawn = source_of(config, home, pretraining=True, progress=progress)
        pretraining = prepared(drawn, pretrained, PRETRAINING_SEED)
    drawn_spec = None if pretraining is None else pretraining.spec
    plan = make_plan(chosen, config, data.spec, drawn_spec, seeds)
    check_growing_images(plan)
    warn_of_frozen_to_the_end(plan)
    return Study(config=config, data=data, plan=plan, examined=examined)


def _check_weights(config: Config) -> None:
    folder = config.weights_folder
    if folder is None:
        return
    if config.weights != "imagenet":
        raise UserError("weights_folder holds ImageNet weights; leave it out, or weights=demo")
    if not folder or not Path(folder).is_dir():
        raise UserError(f"weights_folder={folder} is no folder")
    if not any(file.suffix in WEIGHTS_SUFFIXES for file in Path(folder).iterdir()):
        known = " or ".join(WEIGHTS_SUFFIXES)
        raise UserError(f"weights_folder={folder} holds no weights: no file ends in {known}")


def _tell_broken(chosen: Sequence[System], config: Config, home: Path) -> None:
    """Warn of plugins that fail; their runs are planned, and will fail with the reason on record.

    Raises:
        PluginError: All that was chosen fails.
        UserError: So it does by the image size, or a model that is no plugin's does not take it.
    """
    broken = check_definitions(chosen, config, partial(_check_size, home))
    told: set[str] = set()
    for system in chosen:
        error = broken.get(system.name)
        if error is None or str(error) in told:
            continue
        of_plugin = isinstance(error, PluginError) or models[system.model].of_plugin
        if len(broken) == len(chosen) or not of_plugin:
            raise error
        logger.warning("%s", error)
        told.add(str(error))


def _check_size(home: Path, spec: ModelSpec, image_size: int) -> None:
    """See that a model takes a size; of a model of ours once, since it loads torch's compiler."""
    if spec.of_plugin:
        check_size(spec, image_size)
    else:
        fits = partial(_fits, spec, image_size)
        remembered(home, "size", (spec.name, image_size), fits, makes_home=True)


@lru_cache(maxsize=256)
def _fits(spec: ModelSpec, image_size: int) -> None:
    check_size(spec, image_size)


def source_of(
    config: Config,
    home: Path,
    *,
    pretraining: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Source:
    """Find the image files of a study, or those that its networks are pretrained on.

    Raises:
        UserError: They are not there.
    """
    if not pretraining:
        return select_images(config, find_images(config, home, progress))
    species = DemoSpec(
        species=config.pretrain.species,
        images_per_species=config.pretrain.images_per_species,
        first_species=PRETRAINING_SPECIES,
    )
    return demo_source(species, DataConfig(), home, progress)


def embedding_ids(plan: Plan) -> frozenset[str]:
    """Ids of the networks whose embeddings are kept: a head takes them, now or in ``--all``."""
    return frozenset(
        spec.id
        for spec in plan
        if spec.system.head is None
        and not spec.pretraining
        and (
            any(user.system.head for user in plan.dependants(spec.id))
            or spec.system in EMBEDDED.values()
        )
    )


def teacher_ids(plan: Plan) -> frozenset[str]:
    """Ids of the runs that others learn from: what they predict of the train split is kept."""
    return frozenset(spec.teacher_id for spec in plan if spec.teacher_id is not None)


def weights_ids(plan: Plan, save: SaveWeights) -> frozenset[str]:
    """Ids of the runs whose weights are kept.

    Args:
        plan: The runs.
        save: ``needed`` and ``best`` keep those that other runs build on; whose row is the best
            shows when all are made. Pretrained weights are kept in any case, since they reach their
            network through MLflow.
    """
    if save == "all":
        return frozenset(spec.id for spec in plan)
    needed = {spec.id for spec in plan if spec.pretraining}
    if save != "none":
        needed |= embedding_ids(plan) | {need for spec in plan for need in spec.needs}
    return frozenset(needed)


def weights_bytes(plan: Plan, kept: frozenset[str]) -> list[int]:
    """Disk that each kept network's weights take, in bytes; a head's is known once it is fitted."""
    networks = [spec for spec in plan if spec.id in kept and spec.system.head is None]
    return [int(parameters(spec) or 0) * _BYTES_PER_PARAMETER for spec in networks]


def parameters(spec: RunSpec) -> float | None:
    """How many parameters a run's network has; None if its plugin cannot make it."""
    from benchmark.evaluation.cost import network_cost

    try:
        cost = network_cost(spec.system, spec.image_size, spec.data.num_classes)
    except PluginError:
        return None
    return cost["params_total"]


def memory_of(spec: RunSpec) -> int:
    """The memory that a run takes, in bytes, as far as it depends on its network."""
    held = 0 if spec.system.head is not None else _COPIES * int(parameters(spec) or 0)
    return _BASE_BYTES + held
