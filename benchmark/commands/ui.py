"""``bench ui``: turns the store into MLflow's pages."""

from __future__ import annotations

import subprocess
import sys

import click


@click.command()
@click.option(
    "--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="On 127.0.0.1."
)
def ui(port: int) -> None:
    """Open MLflow's user interface on this machine, until Ctrl-C."""
    from benchmark.tracking import Store, Tracker, ui_address, ui_command

    tracker = Tracker(Store())
    click.echo(f"MLflow shows the runs at {ui_address(tracker, port)} (stop with Ctrl-C)")
    try:
        sys.exit(subprocess.run(ui_command(port), check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)
