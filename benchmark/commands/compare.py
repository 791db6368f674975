"""``bench compare``: turns names of runs or systems into what tells them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import format_option
from benchmark.commands.outputs import check_file, is_page
from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.terminal.tables import Format

PAGE = Path("compare.html")
CLASSES = 10
"""So many classes the terminal shows, those in which the systems differ most."""


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--context", metavar="ID", help="Which data and settings. [default: those of the newest run]"
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=f"Where to write the images that differ, side by side. [default: {PAGE}]",
)
@click.option(
    "--table",
    "which",
    type=click.Choice(["systems", "classes", "images"]),
    help="Print this table alone, and write no page.",
)
@format_option
def compare(
    names: tuple[str, ...],
    context: str | None,
    out: Path | None,
    which: str | None,
    format_: Format,
) -> None:
    """Compare NAMES with the first of them on the same test images.

    A name is a run's, for all its seeds, a run's id, a system's of bench leaderboard, BACKBONE/HEAD
    or best. Differences come with 95% intervals and p of paired tests: McNemar's exact one for a
    seed without copies, permuted signs with copies or 2 to 4 seeds, from 5 on t with the spread of
    seeds; Holm's if there are more than two names.
    """
    prints = which is not None or format_ in ("csv", "json")
    if prints and out is not None:
        raise UserError(f"--out {out} goes with neither --table nor --format csv or json")
    out = out or PAGE
    if not prints:
        check_file(out, "--out FILE", is_page)

    from benchmark.tracking.store import existing_store

    store = existing_store()

    from benchmark.ranking.comparison import compare_named
    from benchmark.terminal.console import line, make_console
    from benchmark.terminal.leaderboard import legend, readable_comparison
    from benchmark.terminal.numbers import percent
    from benchmark.terminal.tables import show

    console = make_console()
    comparison = compare_named(store, names, context)
    classes = comparison.classes
    if format_ in ("table", "markdown"):
        classes = classes.assign(**classes[comparison.names].map(percent))
    if prints:
        tables = {"classes": classes, "images": comparison.images}
        show(tables.get(which or "systems", comparison.systems), format_, console)
        return
    systems = readable_comparison(comparison)
    show(systems, format_, console, title=comparison.context.title)
    title = "Right in the classes in which they differ most"
    show(classes.head(CLASSES), format_, console, title=title)
    for sign in legend(systems):
        console.print(line(sign))

    from benchmark.report.comparison import write_comparison

    shown = write_comparison(comparison, store, out)
    count = len(comparison.images)
    told = f"{out}: {count} images that some have right and others wrong, {shown} with a picture"
    console.print(line(told), soft_wrap=True)
