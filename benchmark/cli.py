"""The command line: ``bench``."""

from __future__ import annotations

from typing import Any

import click

from benchmark.commands.explain import explain
from benchmark.commands.report import report
from benchmark.commands.run import run
from benchmark.commands.sweep import sweep
from benchmark.commands.tables import data_command, leaderboard, ls_command
from benchmark.commands.ui import ui


class BenchGroup(click.Group):
    """Shows errors that the user can mend as one line, with exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from benchmark.tracking import load_environment

        try:
            load_environment()
            return super().invoke(ctx)
        except ValueError as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)


@click.group(cls=BenchGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="classifier-bench")
def main() -> None:
    """Benchmark image classifiers on any folder of images, tracked in MLflow."""


for command in (run, sweep, leaderboard, report, explain, data_command, ls_command, ui):
    main.add_command(command)


if __name__ == "__main__":
    main()
