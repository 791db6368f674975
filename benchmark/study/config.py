"""Turns a preset and ``--set key=value`` overrides into a frozen configuration."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.study.recipe import RecipeConfig
from registry.core import near
from registry.errors import UserError
from registry.specs import Schedule

Precision = Literal["auto", "float32", "bfloat16"]
Monitor = Literal["val_accuracy", "val_loss"]
MAX_SEED = 2**32 - 1
"""The largest that NumPy, and with it scikit-learn, takes."""


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys, infinity and nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _one_zero(cls, value: Any) -> Any:
        """Take -0.0 for 0.0: the same setting is written, hashed and reused in one way."""
        return value + 0.0 if isinstance(value, float) else value


class DataConfig(Section):
    """Which images."""

    source: str = Field(
        "demo", min_length=1, description="demo, a folder, a zip or its URL, or kaggle:OWNER/NAME."
    )
    study_size: int = Field(
        240,
        ge=16,
        le=4096,
        description="Side of the images in pixels for the study's systems, and for other models "
        "that were made for no size.",
    )
    image_size: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Side in pixels for all models, whatever they were made for; none leaves that "
        "to them.",
    )
    classes: int | None = Field(
        None, ge=2, description="How many classes to keep, evenly spaced by name; none: all."
    )
    images_per_class: int | None = Field(
        None,
        ge=1,
        description="How many images of a class to train on, likewise; none: all. Those of val "
        "and test are kept, whatever it is.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        le=MAX_SEED,
        description="Divides the images into train, val and test; repeats with another seed share "
        "their test images.",
    )
    classes_at: int | None = Field(
        None,
        ge=1,
        le=64,
        description="How deep the classes' folders lie: 1 are those in the folder itself; none to "
        "find out.",
    )
    min_images: int | None = Field(
        None,
        ge=3,
        description="Leave out classes of fewer different images, or without one in a part; none "
        "is an error if there are such.",
    )
    near_copies: bool = Field(
        True,
        description="Whether resized, recompressed, mirrored and cropped copies of an image share "
        "a part, as those of the same bytes do; false where classes differ by no more than that.",
    )
    exclude: str | None = Field(
        None,
        min_length=1,
        description="A CSV file whose column image names images to leave out; see bench data "
        "--fix.",
    )

    @property
    def size(self) -> int:
        """Side in pixels of the images for the study's systems."""
        return self.image_size or self.study_size


class DemoConfig(Section):
    """The generated data set."""

    # The species after these are for pretraining.
    species: int = Field(10, ge=2, le=1000, description="How many species are drawn.")
    images_per_species: int = Field(
        40,
        ge=3,
        le=10_000,
        description="Images of each to train on and to choose by; also to test on, if there are "
        "none besides.",
    )
    test_images_per_species: int = Field(
        0, ge=0, le=10_000, description="Images of each besides, to test on."
    )


class TrainConfig(Section, RecipeConfig):
    """How a network is trained; the defaults are the study's where it gives them."""

    epochs: int = Field(25, ge=1, le=100_000, description="At most so many.")
    batch_size: int = Field(32, ge=2, le=65_536, description="Images a step.")
    lr: float = Field(
        0.001, gt=0, le=100, description="The optimizer's learning rate, the highest of a schedule."
    )
    weight_decay: float = Field(
        0.0, ge=0, le=100, description="The optimizer's; Adam's is an L2 penalty."
    )
    monitor: Monitor = Field(
        "val_accuracy",
        description="What chooses the epoch whose weights are kept: the highest val_accuracy (of "
        "equals the one with the lower loss), or the lowest val_loss, which rises in an "
        "overconfident network while its accuracy still grows.",
    )
    patience: int | None = Field(
        5,
        ge=1,
        le=100_000,
        description="Stop after so many epochs in which that was no better; none trains to the "
        "end. The frozen epochs of staged fine-tuning do not count.",
    )
    freeze_epochs: int = Field(
        4,
        ge=0,
        le=100_000,
        description="Staged fine-tuning trains only the classifier for so many epochs.",
    )
    precision: Precision = Field(
        "auto",
        description="auto is bfloat16 autocast where the device computes in it, else float32. "
        "Depthwise convolutions train in float32 on a CPU, which is faster.",
    )
    compile: bool = Field(
        False,
        description="Train unfrozen networks as torch.compile turns them into code; it takes up "
        "to a minute for each, and a C++ compiler on a CPU.",
    )

    def frozen_epochs(self, schedule: Schedule) -> int:
        """For how many epochs the backbone is frozen: none, the first, or all."""
        if schedule == "staged":
            return min(self.freeze_epochs, self.epochs)
        return self.epochs if schedule == "frozen" else 0


class PretrainConfig(Section):
    """How ``--weights demo`` pretrains a backbone: on other demo species."""

    models: str = Field(
        "*",
        min_length=1,
        description="Which backbones, by a glob; runs that need another are skipped.",
    )
    species: int = Field(40, ge=2, le=1000, description="Drawn species to learn from.")
    images_per_species: int = Field(40, ge=3, le=10_000, description="Images of each species.")
    epochs: int = Field(10, ge=1, le=100_000, description="As train.epochs.")
    lr: float = Field(0.0003, gt=0, le=100, description="As train.lr.")


class Config(Section):
    """Everything that decides a study's results."""

    preset: str = Field("study", description="Name of the preset that it began as.")
    data: DataConfig = DataConfig()
    demo: DemoConfig = DemoConfig()
    train: TrainConfig = TrainConfig()
    pretrain: PretrainConfig = PretrainConfig()
    weights: Literal["imagenet", "demo"] = Field(
        "imagenet", description="Pretrained weights of fine-tuned networks; see --weights."
    )
    weights_folder: str | None = Field(
        None, description="Folder with files of ImageNet weights, looked at first; --weights DIR."
    )
    seed: int = Field(
        0, ge=0, le=MAX_SEED, description="Of the initial weights, the batches and the trees."
    )
    recipes: dict[str, dict[str, Any]] = Field(
        {}, description="What systems have in train of their own, by globs; the last decides."
    )

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
        from benchmark.study.settings import range_of

        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].lower()
        if first["type"].endswith("_parsing"):  # followed by what a parser could not do
            problem = f"{problem.partition(',')[0]}; it takes {range_of(key)}"
        raise UserError(f"--set {key}={first['input']}: {problem}") from error
