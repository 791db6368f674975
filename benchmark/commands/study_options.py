"""Turns what the command line says of the data and the settings into a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.study.config import Config

_NAMED_WEIGHTS = ("imagenet", "demo")


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """The options that `study_options` adds, as they were typed; None for what was left out."""

    data: str | None
    preset: str | None
    settings: tuple[str, ...]
    classes_at: int | None
    exclude: str | None
    weights: str | None
    seed: int | None
    seeds: str | None

    @cached_property
    def weights_folder(self) -> Path | None:
        """The folder of ImageNet weights that ``--weights`` names.

        Raises:
            UserError: It is neither a known name nor a folder.
        """
        if self.weights is None or self.weights in _NAMED_WEIGHTS:
            return None
        folder = Path(self.weights)
        if not self.weights or not folder.is_dir():
            raise UserError(
                f"--weights {self.weights or repr('')} is no folder; write imagenet, demo or DIR"
            )
        return folder

    @property
    def repeats(self) -> tuple[int, ...]:
        """The seeds that ``--seeds`` names; none if it was left out.

        Raises:
            UserError: It is no list of seeds, or a seed is named besides.
        """
        from benchmark.study.seeds import read_seeds

        if self.seeds is None:
            return ()
        if self.seed is not None or any(setting.startswith("seed=") for setting in self.settings):
            raise UserError("--seed and --seeds name the seeds twice; leave one of them out")
        return read_seeds(self.seeds)

    @property
    def config(self) -> Config:
        """What `make_config` makes of them.

        Raises:
            UserError: An option is wrong, or two of them contradict each other.
        """
        return make_config(
            self.data,
            self.preset,
            self.settings,
            classes_at=self.classes_at,
            exclude=self.exclude,
            weights="imagenet" if self.weights_folder else self.weights,
            weights_folder=self.weights_folder,
            seed=self.seed,
        )


def make_config(
    data: str | None, preset: str | None, settings: tuple[str, ...], **chosen: Any
) -> Config:
    """Apply the command line's options to a preset: ``quick`` without data, else ``study``.

    Raises:
        UserError: A setting is wrong, or an option and ``--set`` give it different values.
    """
    from benchmark.study.presets import configure

    if data == "demo" and Path(data).exists():
        raise UserError("--data demo: type ./demo for the folder; drawn images need no --data")
    chosen |= {"data.source": data}
    chosen |= {f"data.{key}": chosen.pop(key, None) for key in ("classes_at", "exclude")}
    given = {key: str(value) for key, value in chosen.items() if value is not None}
    for setting in settings:
        key, _, value = setting.partition("=")
        if given.get(key, value) != value:
            option = key.rpartition(".")[2].replace("source", "data").replace("_", "-")
            raise UserError(f"--{option} {given[key]} or --set {setting}? Leave one of them out")
    return configure(preset, [*settings, *(f"{key}={value}" for key, value in given.items())])


classes_at_option = click.option(
    "--classes-at",
    type=click.IntRange(1),
    metavar="DEPTH",
    help="How deep the classes' folders lie: 1 are those in DIR itself. [default: found out]",
)


exclude_option = click.option(
    "--exclude",
    metavar="FILE",
    help="Leave out the images that a list names, such as that of bench data --fix; none is "
    "deleted.",
)


settings_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting, such as train.epochs=5; repeatable.",
)


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to run on; the command takes them as ``asked``."""

    @wraps(command)
    def collecting(**given: Any) -> Any:
        own = {field.name: given.pop(field.name) for field in fields(StudyOptions)}
        return command(asked=StudyOptions(**own), **given)

    for option in (
        click.option(
            "--seeds",
            metavar="N|LIST",
            help="Repeat each system: 5 for the seeds 0 to 4, or a list of seeds: 0,3,7. A sweep "
            "searches with the first, and scores the best with each.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            help="Of weights, batches, trees and samplers; the images are divided by "
            "data.split_seed. [default: 0]",
        ),
        click.option(
            "--weights",
            metavar="imagenet|demo|DIR",
            help="Pretrained weights for fine-tuning; DIR holds files of ImageNet weights. "
            "[default: imagenet, demo with quick]",
        ),
        classes_at_option,
        exclude_option,
        settings_option,
        click.option(
            "--preset",
            metavar="NAME",
            help="study, tuned or quick. [default: quick without --data, study with it]",
        ),
        click.option(
            "--data",
            metavar="DIR",
            help="Folder or zip (or its URL) with a folder for each class, or kaggle:OWNER/NAME. "
            "[default: generated demo images]",
        ),
    ):
        collecting = option(collecting)
    return collecting
