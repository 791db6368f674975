"""Turns what several commands take from the command line into configurations and consoles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.study.config import Config


def read_weights(weights: str | None) -> tuple[str | None, Path | None]:
    """Read ``--weights``: a folder stands for the ImageNet weights that it holds.

    Returns:
        The setting ``weights``, or None to leave it as it is, and the folder, if one was named.

    Raises:
        UserError: It is neither a known name nor a folder.
    """
    if weights is None or weights in ("imagenet", "demo"):
        return weights, None
    folder = Path(weights)
    if not weights or not folder.is_dir():
        raise UserError(
            f"--weights {weights or repr('')} is no folder; write imagenet, demo or DIR"
        )
    return "imagenet", folder


def read_repeats(seeds: str | None, seed: int | None, settings: tuple[str, ...]) -> tuple[int, ...]:
    """Read ``--seeds``.

    Returns:
        The seeds; none if it was left out.

    Raises:
        UserError: It is no list of seeds, or a seed is named besides.
    """
    from benchmark.study.seeds import read_seeds

    if seeds is None:
        return ()
    if seed is not None or any(setting.startswith("seed=") for setting in settings):
        raise UserError("--seed and --seeds name the seeds twice; leave one of them out")
    return read_seeds(seeds)


def make_config(
    data: str | None, preset: str | None, settings: tuple[str, ...], **chosen: Any
) -> Config:
    """Apply the command line's options to a preset: ``quick`` without data, else ``study``.

    Raises:
        UserError: A setting is wrong, or an option and ``--set`` give it different values.
    """
    from benchmark.study.presets import configure

    if data is not None and not data.strip():
        raise UserError("--data is empty; write --data DIR, or leave it out for demo images")
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


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a configuration."""
    for option in (
        classes_at_option,
        exclude_option,
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="Override a setting, such as train.epochs=5; repeatable.",
        ),
        click.option(
            "--preset", metavar="NAME", help="study or quick. [default: quick without --data]"
        ),
        click.option(
            "--data",
            metavar="DIR",
            help="Folder or zip (or its URL) with a folder for each class, or kaggle:OWNER/NAME. "
            "[default: generated demo images]",
        ),
    ):
        command = option(command)
    return command


class JobCount(click.ParamType[Any]):
    """A number from 1, or ``auto``."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        if value == "auto":
            return value
        try:
            return click.IntRange(1).convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a number from 1 nor auto", param, ctx)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where runs and trials are made: see `check_executor`."""
    for option in (
        click.option(
            "--gpu-share",
            type=click.FloatRange(0, 1, min_open=True),
            default=1.0,
            show_default=True,
            help="Of a GPU, which a network takes with Ray.",
        ),
        click.option(
            "--address",
            metavar="HOST:PORT",
            help="Of the Ray cluster, which this machine has joined. [default: this machine alone]",
        ),
        click.option(
            "--executor",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="ray: on all machines of a Ray cluster; networks on its GPUs, heads on "
            "processors. What a process or machine that dies was making is made again, twice at "
            "most.",
        ),
        click.option(
            "--jobs",
            type=JobCount(),
            metavar="N|auto",
            default=1,
            show_default=True,
            help="Runs at once, or trials of a study, each in a process of its own with its share "
            "of the cores; figures are the same but for rounding. auto: two, where that is "
            "expected to be faster. With Ray: on each machine like this one.",
        ),
    ):
        command = option(command)
    return command


def check_executor(executor: str, address: str | None, device: str) -> None:
    """Make sure that the options of `executor_options` go together.

    Raises:
        UserError: They do not.
    """
    if address is not None and executor != "ray":
        raise UserError(f"--address {address} goes with --executor ray")
    if executor == "ray" and device not in ("auto", "cpu"):
        raise UserError(f"Ray chooses the GPU itself; leave --device {device} out")


def seed_and_context_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose among the runs of one name: ``seed`` and ``context``."""
    for option in (
        click.option(
            "--context", metavar="ID", help="Its data and settings. [default: those of its newest]"
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            help="Which of its seeds. [default: the best by validation accuracy]",
        ),
    ):
        command = option(command)
    return command


def classifier_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a trained classifier: ``name``, ``seed`` and ``context``."""
    return click.option(
        "--model",
        "name",
        metavar="NAME",
        default="best",
        show_default=True,
        help="A run, such as resnet18-frozen; a row of bench leaderboard, by its system; "
        "models:/NAME@champion; or best: of the newest runs, by validation accuracy.",
    )(seed_and_context_options(command))


format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "markdown", "json"]),
    default="table",
    show_default=True,
    help="How to print the table.",
)
