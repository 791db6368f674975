"""Turns a preset and ``--set key=value`` overrides into a frozen configuration."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.study.recipe import RecipeConfig
from registry.core import near
from registry.errors import UserError

Precision = Literal["auto", "float32", "bfloat16"]
Monitor = Literal["val_accuracy", "val_loss"]
MAX_SEED = 2**32 - 1
"""The largest that NumPy, and with it scikit-learn, takes."""


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys, infinity and nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Which images.

    Attributes:
        source: ``demo``, a folder, a zip, or ``kaggle:OWNER/NAME``.
        study_size: Side in pixels of the images for the study's systems, and for other models that
            were made for no size.
        image_size: Side for all models, whatever they were made for; None leaves that to them.
        classes: How many classes to keep, evenly spaced by name; None for all.
        images_per_class: How many images of a class to train on, likewise; None for all. Those
            of val and test are kept, whatever it is.
        split_seed: Divides the images into train, val and test; repeats with another ``seed`` share
            their test images.
        classes_at: How deep the classes' folders lie: 1 are those in the folder itself; None to
            find out.
        min_images: Leave out classes of fewer different images, or without one in a part; None is
            an error if there are such.
    """

    source: str = Field("demo", min_length=1)
    study_size: int = Field(240, ge=16, le=4096)
    image_size: int | None = Field(None, ge=16, le=4096)
    classes: int | None = Field(None, ge=2)
    images_per_class: int | None = Field(None, ge=1)
    split_seed: int = Field(0, ge=0, le=MAX_SEED)
    classes_at: int | None = Field(None, ge=1, le=64)
    min_images: int | None = Field(None, ge=3)

    @property
    def size(self) -> int:
        """Side in pixels of the images for the study's systems."""
        return self.image_size or self.study_size


class DemoConfig(Section):
    """The generated data set.

    Attributes:
        species: How many.
        images_per_species: How many of each, to train on and to choose by; also to test on, if
            there are none besides.
        test_images_per_species: How many besides, to test on.
    """

    species: int = Field(10, ge=2, le=1000)  # the next ones are for pretraining
    images_per_species: int = Field(40, ge=3, le=10_000)
    test_images_per_species: int = Field(0, ge=0, le=10_000)


class TrainConfig(Section, RecipeConfig):
    """How a network is trained; the defaults are the study's where it gives them.

    Attributes:
        epochs: At most so many.
        batch_size: Images a step.
        lr: The optimizer's learning rate, the highest of a schedule.
        weight_decay: The optimizer's; Adam's is an L2 penalty.
        monitor: What chooses the epoch whose weights are kept: the highest ``val_accuracy`` (of
            equals the one with the lower loss), or the lowest ``val_loss``, which rises in an
            overconfident network while its accuracy still grows.
        patience: Stop after so many epochs in which that was no better; None trains to the end.
            The frozen epochs of staged fine-tuning do not count.
        freeze_epochs: Staged fine-tuning trains only the classifier for so many epochs.
        precision: ``auto`` is bfloat16 autocast where the device computes in it, else float32.
        compile: Train unfrozen networks as ``torch.compile`` turns them into code; it takes up to a
            minute for each, and a C++ compiler on a CPU.
    """

    epochs: int = Field(25, ge=1, le=100_000)
    batch_size: int = Field(32, ge=2, le=65_536)
    lr: float = Field(0.001, gt=0, le=100)
    weight_decay: float = Field(0.0, ge=0, le=100)
    monitor: Monitor = "val_accuracy"
    patience: int | None = Field(5, ge=1, le=100_000)
    freeze_epochs: int = Field(4, ge=0, le=100_000)
    precision: Precision = "auto"
    compile: bool = False


class PretrainConfig(Section):
    """How ``--weights demo`` pretrains a backbone: on so many other demo species.

    Attributes:
        models: Which backbones, by a glob; runs that need another are skipped.
    """

    models: str = Field("*", min_length=1)
    species: int = Field(40, ge=2, le=1000)
    images_per_species: int = Field(40, ge=3, le=10_000)
    epochs: int = Field(10, ge=1, le=100_000)
    lr: float = Field(0.0003, gt=0, le=100)


class Config(Section):
    """Everything that decides a study's results.

    Attributes:
        preset: Name of the preset that it began as.
        weights: Pretrained weights of fine-tuned networks: ``imagenet`` or ``demo``.
        seed: Of the initial weights, the batches and the trees.
        recipes: What systems have in ``train`` of their own, by globs; the last decides.
    """

    preset: str = "study"
    data: DataConfig = DataConfig()
    demo: DemoConfig = DemoConfig()
    train: TrainConfig = TrainConfig()
    pretrain: PretrainConfig = PretrainConfig()
    weights: Literal["imagenet", "demo"] = "imagenet"
    seed: int = Field(0, ge=0, le=MAX_SEED)
    recipes: dict[str, dict[str, Any]] = {}

    def train_of(self, system: str) -> TrainConfig:
        """How a network is trained, by its system's name."""
        own = {
            key: value
            for glob, settings in self.recipes.items()
            if fnmatchcase(system, glob)
            for key, value in settings.items()
        }
        return TrainConfig.model_validate({**self.train.model_dump(), **own})


def setting_keys(section: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """List the dotted keys that ``--set`` takes, such as ``train.epochs``."""
    keys: list[str] = []
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += setting_keys(field.annotation, f"{prefix}{name}.")
        elif name not in ("preset", "recipes"):
            keys.append(prefix + name)
    return keys


def setting_values(config: Config) -> dict[str, Any]:
    """Give the value of each dotted key."""
    values: dict[str, Any] = {}
    for key in setting_keys():
        *sections, name = key.split(".")
        section: Any = config
        for part in sections:
            section = getattr(section, part)
        values[key] = getattr(section, name)
    return values


def override(config: Config, assignments: Iterable[str]) -> Config:
    """Apply ``key=value`` settings.

    Args:
        config: What to start from; it is not changed.
        assignments: Such as ``train.epochs=5``; ``none`` stands for no limit. What they say of
            ``train`` goes before the systems' own recipes.

    Raises:
        UserError: A key does not exist or a value does not fit; says which would.
    """
    values = config.model_dump()
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--set {assignment!r} has no value; write {assignment}=VALUE")
        if key not in setting_keys():
            raise UserError(f"no setting is called {key!r}; {near(key, setting_keys())}")
        *sections, name = key.split(".")
        target: dict[str, Any] = values
        for section in sections:
            target = target[section]
        target[name] = None if value.lower() == "none" else value
        if sections == ["train"]:
            for recipe in values["recipes"].values():
                recipe.pop(name, None)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"--set {key}={first['input']}: {first['msg'].lower()}") from error
