"""Turns the registry into systems: the study's, with what it published, and those beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry import heads, models
from registry.core import match_names, no_such
from registry.errors import UserError
from registry.specs import Schedule

EXPERIMENTS: dict[Schedule, str] = {
    "scratch": "from scratch",
    "staged": "experiment 1",
    "frozen": "experiment 2",
}
"""The parts of the study, by what it did in them."""
BEYOND = "beyond the study"
SIGN = "†"
"""Behind the name of what is beyond the study, where no column says so."""
GROUPS = (*EXPERIMENTS.values(), BEYOND)
"""The parts that tables show; pretraining and data explorations are others."""
BACKBONES: dict[Schedule, str] = {
    "scratch": "from scratch",
    "staged": "fine-tuned",
    "frozen": "frozen",
}
"""How a network is trained, whose features heads take, in plain words.

The study's titles do not tell: its "Fine-Tuned ResNet Head Features" are those of a frozen one.
"""
STUDY_CLASSES = 151
"""How many species the study told apart."""
STUDY_IMAGES = 15_100
"""It had more images than that."""
STUDY_TEST_IMAGES = 2265
"""How many of them it tested on, if it divided them as bench does: 15%."""

PUBLISHED: dict[str, float] = {
    "basic_cnn-scratch": 0.0066,
    "residual_cnn-scratch": 0.1189,
    "convmixer-scratch": 0.7109,
    "resnet18-scratch": 0.5924,
    "vit_b_16-scratch": 0.0844,
    "resnet18-staged": 0.6958,
    "vit_b_16-staged": 0.0385,
    "resnet18-frozen": 0.5937,
    "vit_b_16-frozen": 0.8271,
    "resnet18-staged/xgboost-n100-d10": 0.41,
    "resnet18-staged/xgboost-n200-d16": 0.42,
    "resnet18-staged/xgboost-n300-d24": 0.42,
    "resnet18-staged/random_forest-n100-d10": 0.25,
    "resnet18-staged/random_forest-n200-d16": 0.36,
    "resnet18-staged/random_forest-n300-d24": 0.43,
    "resnet18-staged/extra_trees-n100-d10": 0.31,
    "resnet18-staged/extra_trees-n200-d16": 0.43,
    "resnet18-staged/extra_trees-n300-d24": 0.46,
    "resnet18-frozen/xgboost-n100-d10": 0.57,
    "resnet18-frozen/xgboost-n200-d16": 0.57,
    "resnet18-frozen/xgboost-n300-d24": 0.58,
    "resnet18-frozen/random_forest-n100-d10": 0.55,
    "resnet18-frozen/random_forest-n200-d16": 0.62,
    "resnet18-frozen/random_forest-n300-d24": 0.63,
    "resnet18-frozen/extra_trees-n100-d10": 0.56,
    "resnet18-frozen/extra_trees-n200-d16": 0.64,
    "resnet18-frozen/extra_trees-n300-d24": 0.66,
}
"""Test accuracy by run, from the study's tables of models 1 to 10 and of both conclusions."""
STUDY_NETWORKS = frozenset(name for name in PUBLISHED if "/" not in name)
STUDY_HEADS = frozenset({"xgboost", "random_forest", "extra_trees"})

_TITLES = {
    "vit_b_16-staged": "Pretrained ViT Staged Fine-Tune",
    "vit_b_16-frozen": "Pretrained ViT Staged Fine-Tune with Frozen Deep Head",
}
_ENDS: dict[Schedule, str] = {
    "scratch": "From Scratch",
    "staged": "Fine-Tuned",
    "frozen": "Frozen",
}
_DEEP_END = "Fine-Tuned with Frozen Deep Head"
_FEATURES = {
    "resnet18-staged": "ResNet Features",
    "resnet18-frozen": "Fine-Tuned ResNet Head Features",
}
_SHORT = {"n_estimators": "n", "max_depth": "d", "n_neighbors": "k", "C": "C"}


@dataclass(frozen=True, kw_only=True)
class System:
    """What is benchmarked: a trained network, or a head with parameters on its embeddings.

    Attributes:
        model: Name of a registered model.
        schedule: How it is trained.
        head: Name of a registered head; None for the network itself.
        params: The head's parameters, in order.
    """

    model: str
    schedule: Schedule
    head: str | None = None
    params: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Name of its run, such as ``resnet18-staged/xgboost-n100-d10``."""
        name = f"{self.model}-{self.schedule}"
        if self.head is None:
            return name
        parts = [f"{_SHORT.get(key, f'{key}=')}{value}" for key, value in self.params]
        return "-".join([f"{name}/{self.head}", *parts])

    @property
    def title(self) -> str:
        """The study's name for it, without head parameters, or one of that kind."""
        if self.head is not None:
            return f"{heads[self.head].title} on {self.backbone.features_title}"
        if self.name in _TITLES:
            return _TITLES[self.name]
        model = models[self.model]
        if model.schedules == ("scratch",):
            return model.title
        is_deep = self.schedule == "frozen" and model.frozen_classifier == "deep"
        return f"{model.title} {_DEEP_END if is_deep else _ENDS[self.schedule]}"

    @property
    def features_title(self) -> str:
        """The study's name for its embeddings, or one of that kind."""
        if self.name in _FEATURES:
            return _FEATURES[self.name]
        own = models[self.model]
        untouched = self.schedule == "frozen" and own.frozen_classifier == "linear"
        return f"{own.title if untouched else self.title} Features"

    @property
    def group(self) -> str:
        """The part of the study that it belongs to, or that it is beyond it."""
        of_study = self.backbone.name in STUDY_NETWORKS and self.head in (None, *STUDY_HEADS)
        return EXPERIMENTS[self.schedule] if of_study else BEYOND

    @property
    def backbone(self) -> System:
        """The network whose embeddings the head takes."""
        return System(model=self.model, schedule=self.schedule)


EMBEDDED: Mapping[str, System] = {
    EXPERIMENTS["staged"]: System(model="resnet18", schedule="staged"),
    EXPERIMENTS["frozen"]: System(model="resnet18", schedule="frozen"),
    BEYOND: System(model="efficientnet_lite0", schedule="frozen"),
}
"""In each part, the network whose embeddings the heads get: the study's heads, or all beyond it."""


def systems() -> list[System]:
    """List what ``bench run --all`` runs: the study in its order, then what is beyond it.

    The networks come with each of their schedules, the heads with each point of their grids.
    """
    networks = [
        System(model=model.name, schedule=schedule)
        for schedule in EXPERIMENTS
        for model in models
        if schedule in model.schedules
    ]
    found: list[System] = []
    for group in GROUPS:
        found += [network for network in networks if network.group == group]
        if group in EMBEDDED:
            for head in heads:
                if group == BEYOND or head.name in STUDY_HEADS:
                    found += _grid(EMBEDDED[group], head.name)
    return found


def find_systems(patterns: Sequence[str]) -> list[System]:
    """Resolve names, globs and names outside the suite.

    Args:
        patterns: Run names or globs (``resnet18*``), a model (``timm:resnet50``: from scratch), a
            model and schedule (``timm:resnet50-frozen``), or one with a head
            (``vit_b_16-frozen/extra_trees``: the head's whole grid) or a point of its grid
            (``vit_b_16-frozen/extra_trees-n100-d10``).

    Raises:
        UserError: A pattern matches nothing; suggests near names.
    """
    known = {system.name: system for system in systems()}
    found: dict[str, System] = {}
    for pattern in patterns:
        if outside := _outside_the_suite(pattern, known):
            chosen = outside
        else:
            chosen = [known[name] for name in match_names([pattern], known, "system")]
        found.update({system.name: system for system in chosen})
    return list(found.values())


def _outside_the_suite(pattern: str, known: Mapping[str, System]) -> list[System]:
    if pattern in known or any(character in pattern for character in "*?["):
        return []
    if pattern in {spec.name for spec in heads}:
        network = EMBEDDED[BEYOND].name
        raise UserError(f"{pattern} is a head; name it on a network: {network}/{pattern}")
    network, slash, head = pattern.partition("/")
    model, dash, ending = network.rpartition("-")
    schedule: Schedule = "scratch"
    if dash and ending in EXPERIMENTS:
        schedule = ending
    else:
        model = network
    if model not in {spec.name for spec in models} and ":" not in model:
        names = [*known, *(spec.name for spec in models)]
        raise no_such("system", pattern, names)
    if schedule not in models[model].schedules:
        names = [System(model=model, schedule=own).name for own in models[model].schedules]
        how = "from scratch" if schedule == "scratch" else schedule
        raise UserError(f"{model} is not trained {how}; name {' or '.join(names)}")
    system = System(model=model, schedule=schedule)
    if not slash:
        return [system]
    points = {point.name: point for spec in heads for point in _grid(system, spec.name)}
    if point := points.get(f"{system.name}/{head}"):
        return [point]
    if head not in {spec.name for spec in heads}:
        known_heads = [*(spec.name for spec in heads), *(name.partition("/")[2] for name in points)]
        raise no_such("head", head, known_heads)
    return _grid(system, head)


def _grid(backbone: System, head: str) -> list[System]:
    return [
        replace(backbone, head=head, params=tuple(params.items())) for params in heads[head].grid
    ]
