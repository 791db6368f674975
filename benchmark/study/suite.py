"""Turns the registry into the study's systems, each with the accuracy that the study published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry import heads, models
from registry.core import match_names, near
from registry.errors import UserError
from registry.specs import Schedule

GROUPS: dict[Schedule, str] = {
    "scratch": "from scratch",
    "staged": "experiment 1",
    "frozen": "experiment 2",
}
STUDY_CLASSES = 151
"""How many species the study told apart."""
EMBEDDING_MODEL = "resnet18"
"""The backbone whose embeddings the study gave to its tree heads, staged and frozen."""

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

TITLES: dict[str, str] = {
    "convmixer-scratch": "ConvMixer Model",
    "vit_b_16-staged": "Pretrained ViT Staged Fine-Tune",
    "vit_b_16-frozen": "Pretrained ViT Staged Fine-Tune with Frozen Deep Head",
}
_TITLE_ENDS: dict[Schedule, str] = {
    "scratch": "From Scratch",
    "staged": "Fine-Tuned",
    "frozen": "Fine-Tuned with Frozen Deep Head",
}
_FEATURES = {
    "resnet18-staged": "ResNet Features",
    "resnet18-frozen": "Fine-Tuned ResNet Head Features",
}
_SHORT = {"n_estimators": "n", "max_depth": "d"}


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
        """The study's name for it, without head parameters."""
        model = models[self.model]
        if self.head is not None:
            backbone = self.backbone
            features = _FEATURES.get(backbone.name, f"{backbone.title} Features")
            return f"{heads[self.head].title} on {features}"
        if self.name in TITLES:
            return TITLES[self.name]
        if model.schedules == ("scratch",):
            return model.title
        return f"{model.title} {_TITLE_ENDS[self.schedule]}"

    @property
    def group(self) -> str:
        """The part of the study that it belongs to."""
        return GROUPS[self.schedule]

    @property
    def backbone(self) -> System:
        """The network whose embeddings the head takes."""
        return System(model=self.model, schedule=self.schedule)


def systems() -> list[System]:
    """List what ``bench run --all`` runs: every registered model and head, in the study's order.

    The networks come with each of their schedules; each head comes with each point of its grid, on
    the staged and on the frozen ResNet-18.
    """
    order: tuple[Schedule, ...] = ("scratch", "staged", "frozen")
    found: list[System] = []
    for schedule in order:
        found += [
            System(model=model.name, schedule=schedule)
            for model in models
            if schedule in model.schedules
        ]
        if schedule != "scratch":
            found += [
                grid_system
                for head in heads
                for grid_system in _grid(EMBEDDING_MODEL, schedule, head.name)
            ]
    return found


def find_systems(patterns: Sequence[str]) -> list[System]:
    """Resolve names, globs and names outside the suite.

    Args:
        patterns: Run names or globs (``resnet18*``), a model (``timm:resnet50``: from scratch), a
            model and schedule (``timm:resnet50-frozen``), or one with a head
            (``vit_b_16-frozen/extra_trees``: the head's whole grid).

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
    network, slash, head = pattern.partition("/")
    model, dash, ending = network.rpartition("-")
    schedule: Schedule = "scratch"
    if dash and ending in GROUPS:
        schedule = ending
    else:
        model = network
    if model not in {spec.name for spec in models} and ":" not in model:
        names = [*known, *(spec.name for spec in models)]
        raise UserError(f"no system is called {pattern!r}; {near(pattern, names)}")
    if schedule not in models[model].schedules:
        schedules = ", ".join(models[model].schedules)
        raise UserError(f"{model} cannot be trained {schedule!r}; it can be: {schedules}")
    if slash:
        return _grid(model, schedule, heads[head].name)
    return [System(model=model, schedule=schedule)]


def _grid(model: str, schedule: Schedule, head: str) -> list[System]:
    return [
        System(model=model, schedule=schedule, head=head, params=tuple(params.items()))
        for params in heads[head].grid
    ]
