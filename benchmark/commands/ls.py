"""``bench ls``: turns what there is to benchmark, and what was, into tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.commands.options import format_option
from benchmark.commands.study_options import make_config, settings_option

if TYPE_CHECKING:
    from benchmark.terminal.tables import Format


@click.command("ls")
@click.argument(
    "what", type=click.Choice(["models", "heads", "systems", "runs", "presets", "settings"])
)
@click.option(
    "--preset", metavar="NAME", default="study", show_default=True, help="study, tuned or quick."
)
@settings_option
@format_option
def ls_command(what: str, preset: str, settings: tuple[str, ...], format_: Format) -> None:
    """List models, heads, systems, runs, presets or settings.

    Systems come with their parameter counts at the preset's image size and number of classes;
    settings with their default there, the values that they take and what they do.
    """
    from benchmark.ranking.listing import LISTINGS
    from benchmark.terminal.console import make_console
    from benchmark.terminal.tables import show

    show(LISTINGS[what](make_config(None, preset, settings)), format_, make_console())
