"""``bench report``: turns tracked runs into one HTML file to send around."""

from __future__ import annotations

import time
from pathlib import Path

import click

from benchmark.commands.outputs import check_file, is_page
from registry.printable import printable


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where to write the page.",
)
@click.option(
    "--context",
    metavar="ID",
    help="Which data and settings. [default: those of the newest run]",
)
@click.option("--title", metavar="TEXT", help="Heading. [default: names the data]")
def report(out: Path, context: str | None, title: str | None) -> None:
    """Write the completed runs into one HTML file that needs no network and no other file."""
    from benchmark.tracking.store import existing_store

    check_file(out, "--out FILE", is_page)
    store = existing_store()

    from benchmark.report.render import write_report
    from benchmark.terminal.console import make_console
    from benchmark.terminal.progress import print_other_contexts

    start = time.perf_counter()
    material = write_report(store, out, context, title)
    seconds = time.perf_counter() - start
    click.echo(
        f"{printable(out)}: {len(material.systems)} systems of {len(material.runs)} runs, "
        f"{out.stat().st_size / 1e6:.2f} MB, in {seconds:.1f} s"
    )
    print_other_contexts(make_console(), material.others, "report")
