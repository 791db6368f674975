"""What a report says of its runs' settings, where systems have recipes of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from benchmark.report import facts
from benchmark.study.config import Config, override
from benchmark.study.presets import preset

SYSTEM = {"system.model": "convmixer", "system.schedule": "scratch"}
DATA = {"data.num_classes": "151", "data.num_images": "9", "data.image_size": "240"}


def params(config: Config) -> dict[str, str]:
    """As MLflow keeps them."""
    train = config.train_of("convmixer-scratch").model_dump()
    return {**SYSTEM, **DATA, **{f"train.{key}": str(value) for key, value in train.items()}}


def run(settings: dict[str, str]) -> Any:
    tags = {"group": "from scratch", "preset": "tuned", "weights": "none"}
    data = SimpleNamespace(params={**settings, "data.name": "mine", "seed": "3"}, tags=tags)
    return SimpleNamespace(data=data, info=SimpleNamespace(run_name="convmixer-scratch"))


def test_a_recipe_of_the_preset_is_told_as_one_and_not_repeated() -> None:
    settings = params(preset("tuned"))
    assert facts.departures(settings, "tuned", ["none"]) == [
        "a recipe for each system (study: one for all)"
    ]
    command = "bench run convmixer-scratch --data DIR --preset tuned --seed 3"
    assert facts.command([run(settings)]) == command


def test_what_was_set_besides_is_told_and_repeated() -> None:
    settings = params(override(preset("tuned"), ["train.lr=0.5", "train.patience=7"]))
    told = facts.departures(settings, "tuned", ["none"])
    assert "train.lr=0.5 (study: 0.001)" in told
    assert "train.patience=7 (study: 5)" in told
    assert len(told) == 3
    command = facts.command([run(settings)])
    assert command.endswith("--seed 3 --set train.lr=0.5 --set train.patience=7")


def test_no_limit_is_told_in_words_that_can_be_typed() -> None:
    settings = params(override(preset("study"), ["train.patience=none"]))
    told = facts.departures(settings, "study", ["none"])
    assert told == ["train.patience=none (study: 5)"]
