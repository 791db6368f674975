"""Turns the parameters that runs recorded into the settings that they were told by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark.study.config import Config, setting_values

_SIZE = "data.image_size"
_SEED = "data.seed"
_NONE = str(None)


def have_own_sizes(params: Iterable[Mapping[str, str]]) -> bool:
    """Whether one network was shown images of a size of its own, so that the study's is another."""
    return any(one.get("input.size", _NONE) != _NONE for one in params)


def set_by_hand(params: Iterable[Mapping[str, str]], preset: Config) -> dict[str, str]:
    """Find where runs of one configuration depart from its preset, whose systems have recipes.

    A setting goes before all recipes, so that it shows in any run whose recipe says otherwise;
    only a teacher is itself taught by none.

    Args:
        params: Of the runs, as MLflow keeps them.
        preset: What they are compared with.

    Returns:
        Values as MLflow writes them, by the names that ``--set`` takes.
    """
    params = list(params)
    values = {key: str(value) for key, value in setting_values(preset).items()}
    values[_SIZE], values[_SEED] = str(preset.data.size), values["data.split_seed"]
    keys = (_SIZE, *(key for key in values if key.startswith("train.")), _SEED)
    found: dict[str, str] = {}
    for settings in params:
        told = values | _recipe(settings, preset)
        for key in keys:
            is_other = key in settings and settings[key] != told[key]
            if is_other and (key not in found or settings[key] != _NONE):
                found[key] = settings[key]
    size = "data.study_size" if have_own_sizes(params) else _SIZE
    names = {_SIZE: size, _SEED: "data.split_seed"}
    return {names.get(key, key): found[key] for key in keys if key in found}


def _recipe(settings: Mapping[str, str], preset: Config) -> dict[str, str]:
    """What a preset says of a run's system alone, as MLflow writes it."""
    if not preset.recipes:
        return {}
    system = f"{settings['system.model']}-{settings['system.schedule']}"
    train = preset.train_of(system).model_dump()
    keys = {key for recipe in preset.recipes.values() for key in recipe}
    return {f"train.{key}": str(train[key]) for key in keys}
