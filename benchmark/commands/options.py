"""Options of several commands: where runs are made, which classifier is meant, how to print."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import click

from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.execution.launch import LaunchOptions


class FiniteRange(click.FloatRange):
    """Numbers of a range; not infinity and nan, which click takes for such."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


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
            "--device",
            default="auto",
            show_default=True,
            help="Of networks, and of XGBoost: cpu, cuda, cuda:1 or auto.",
        ),
        click.option(
            "--gpu-share",
            type=FiniteRange(0, 1, min_open=True),
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


def check_executor(**how: Unpack[LaunchOptions]) -> None:
    """Make sure that the options of `executor_options` go together.

    Raises:
        UserError: They do not.
    """
    if how["executor"] == "ray":
        if how["device"] not in ("auto", "cpu"):
            raise UserError(f"Ray chooses the GPU itself; leave --device {how['device']} out")
        return
    for option, value in (("--address", how["address"]), ("--gpu-share", how["gpu_share"])):
        if value not in (None, 1):
            raise UserError(f"{option} {value} goes with --executor ray")


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
FOR_PROGRAMS = ("csv", "json")
"""Formats in which standard output holds one table and no sentence."""
