"""Kills bench for as long as you like: ``python -m tests.survival --kills 50``."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import click

from tests.survival.killing import CASES, survive


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice([*CASES]))
@click.option(
    "--kills", default=20, show_default=True, type=click.IntRange(0), help="Of each case."
)
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option(
    "--signal",
    "name",
    default="SIGKILL",
    show_default=True,
    type=click.Choice(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]),
    help="By which.",
)
def main(cases: tuple[str, ...], kills: int, seed: int, name: str) -> None:
    """Kill CASES, or all, at random moments, and tell what went wrong."""
    failed = False
    for case in cases or CASES:
        folder = Path(tempfile.mkdtemp(prefix=f"survival-{case}-"))
        result = survive(case, kills, seed, folder, signal.Signals[name])
        failed |= bool(result.faults)
        click.echo(f"{case}, in {folder}: {len(result.moments)} kills, {len(result.faults)} faults")
        click.echo(f"  after seconds {result.moments}, runs completed by then {result.completed}")
        for fault in result.faults:
            click.echo(f"  {fault}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
