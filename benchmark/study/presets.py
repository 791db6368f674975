"""Named configurations to start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmark.study.config import (
    Config,
    DataConfig,
    DemoConfig,
    PretrainConfig,
    TrainConfig,
    override,
    setting_values,
)
from benchmark.study.tuned import RECIPES
from registry.core import near
from registry.errors import UserError


def study() -> Config:
    """The study as published: 240 x 240 pixels, up to 25 epochs, ImageNet weights.

    Command: ``bench run --all --data DIR``.
    """
    return Config(preset="study")


def quick() -> Config:
    """The study and what is beyond it in some minutes on two CPU cores, offline.

    Shrunk against the study: images to 64 x 64, at most 10 classes of 25 training images, 5 epochs
    (staged: 2 of them frozen) of smaller batches, and a ResNet-18 pretrained for 3 epochs on other
    demo species instead of ImageNet. The networks are the study's own; what is beyond it has its
    own images and ImageNet weights.

    Command: ``bench run --all``.
    """
    return Config(
        preset="quick",
        data=DataConfig(study_size=64, classes=10, images_per_class=25),
        demo=DemoConfig(species=10, images_per_species=30, test_images_per_species=30),
        train=TrainConfig(epochs=5, batch_size=16, freeze_epochs=2),
        pretrain=PretrainConfig(models="resnet18", species=40, images_per_species=15, epochs=3),
        weights="demo",
    )


def tuned() -> Config:
    """The study's systems, layers and sizes, each trained by a modern recipe.

    Command: ``bench run --all --data DIR --preset tuned``.
    """
    return Config(preset="tuned", recipes=RECIPES)


PRESETS: dict[str, Callable[[], Config]] = {"study": study, "quick": quick, "tuned": tuned}


def changes(config: Config) -> list[str]:
    """Say where a configuration departs from the study's, as ``train.epochs=5 (study: 25)``.

    Which images and which seed are left out: they make no other study.
    """
    published = setting_values(study())
    own = setting_values(config)
    if own["data.image_size"] is not None:
        published["data.image_size"] = published["data.study_size"]
        own["data.study_size"] = published["data.study_size"]
    recipes = ["a recipe for each system (study: one for all)"] if config.recipes else []
    return recipes + [
        f"{key}={_told(key, value)} (study: {_told(key, published[key])})"
        for key, value in own.items()
        if key.startswith(_STUDIED) and key not in _WHICH and value != published[key]
    ]


_STUDIED = ("data.", "train.", "weights")
_WHICH = ("data.source", "data.split_seed", "data.classes_at", "data.min_images", "weights_folder")


def _told(key: str, value: Any) -> Any:
    """What None stands for: no limit to images, and nothing else of its kind."""
    return value if value is not None else "all" if key.startswith("data.") else "none"


def preset(name: str) -> Config:
    """Make a preset's configuration.

    Raises:
        UserError: No preset has that name.
    """
    if name not in PRESETS:
        raise UserError(f"no preset is called {name!r}; {near(name, PRESETS)}")
    return PRESETS[name]()


def configure(name: str | None, assignments: Sequence[str]) -> Config:
    """Apply settings to a preset.

    Args:
        name: Of the preset; None for ``quick``, or for ``study`` where the settings name images.
        assignments: Such as ``train.epochs=5``.

    Raises:
        UserError: There is no such preset or setting, or a value does not fit.
    """
    if name is None:
        own_images = any(one.startswith("data.source=") for one in assignments)
        name = "study" if own_images else "quick"
    return override(preset(name), assignments)
