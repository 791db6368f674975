"""Turns the registries and the store into lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from benchmark.data.home import home
from benchmark.data.remembered import remembered
from benchmark.study.checks import check_definitions
from benchmark.study.config import Config, setting_values
from benchmark.study.inputs import image_size_of
from benchmark.study.presets import PRESETS
from benchmark.study.settings import settings
from benchmark.study.suite import BACKBONES, PUBLISHED, STUDY_CLASSES, System, systems
from registry import heads, models

if TYPE_CHECKING:
    import pandas as pd

Rows = list[dict[str, str]]


def list_models(config: Config) -> Rows:
    """A row a registered model; any model of timm can be named besides."""
    return [
        {
            "name": model.name,
            "title": model.title,
            "schedules": ", ".join(model.schedules),
            "pretrained": "yes" if model.weights else "no",
            "explained by": model.explanation or "",
        }
        for model in models
    ]


def list_heads(config: Config) -> Rows:
    """A row a registered head with its grid."""
    return [
        {
            "name": head.name,
            "title": head.title,
            "grid": "; ".join(
                ", ".join(f"{name}={value}" for name, value in point.items()) for point in head.grid
            ),
        }
        for head in heads
    ]


def list_systems(config: Config) -> pd.DataFrame:
    """A row a system of ``bench run --all``, counted at the configuration's image size.

    Nothing is downloaded, allocated or trained. Without a number of classes in the configuration,
    it is the study's 151.
    """
    import pandas as pd

    rows = _kept_rows(config)
    counts = ["parameters", "params_trainable", "flops"]
    return pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64"))


def _kept_rows(config: Config) -> list[dict[str, object]]:
    """Its rows, without torch if they were counted before; a plugin's code is asked each time."""
    if any(spec.of_plugin for spec in (*models, *heads)):
        return _system_rows(config)
    find = partial(_system_rows, config)
    return remembered(home(write=False), "systems", setting_values(config), find)


def _system_rows(config: Config) -> list[dict[str, object]]:
    known = systems()
    broken = check_definitions(known, config)
    return [_system_row(system, config, broken.get(system.name)) for system in known]


def _system_row(system: System, config: Config, broken: Exception | None) -> dict[str, object]:
    from benchmark.evaluation.cost import network_cost

    row: dict[str, object] = {
        "name": system.name,
        "system": system.title,
        "parameters": None,
        "backbone": BACKBONES[system.schedule],
        "group": system.group,
        "settings": ", ".join(f"{name}={value}" for name, value in system.params),
        "params_trainable": None,
        "flops": None,
        "study_accuracy": PUBLISHED.get(system.name),
        "unavailable": str(broken or ""),
    }
    if system.head is None and broken is None:
        classes = config.data.classes or STUDY_CLASSES
        size, flips = image_size_of(system.model, config), config.train_of(system.name).test_flip
        cost = network_cost(system, size, classes, test_flip=flips)
        row["parameters"] = cost["params_total"]
        row["params_trainable"] = cost["params_trainable"]
        row["flops"] = cost["flops"]
    return row


def list_runs(config: Config) -> pd.DataFrame:
    """A row a run of the store, whatever became of it, the newest first."""
    from benchmark.ranking.runs import run_states
    from benchmark.tracking.store import Store

    return run_states(Store())


def list_presets(config: Config) -> Rows:
    """A row a preset, with the first line of its description."""
    return [
        {"name": name, "description": (make.__doc__ or "").splitlines()[0]}
        for name, make in PRESETS.items()
    ]


def list_settings(config: Config) -> Rows:
    """A row a setting: its default in the preset, the values that it takes, what it does."""
    values = setting_values(config)
    of_recipes = {key for recipe in config.recipes.values() for key in recipe}
    values |= {key: "by system" for key in values if key.removeprefix("train.") in of_recipes}
    return [
        {
            "setting": one.key,
            "default": _text(values[one.key]),
            "range": one.range,
            "meaning": one.meaning,
        }
        for one in settings()
    ]


def _text(value: object) -> str:
    """A setting's value as ``--set`` takes it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


LISTINGS: Mapping[str, Callable[[Config], pd.DataFrame | Rows]] = {
    "models": list_models,
    "heads": list_heads,
    "systems": list_systems,
    "runs": list_runs,
    "presets": list_presets,
    "settings": list_settings,
}
