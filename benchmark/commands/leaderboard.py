"""``bench leaderboard``: turns the completed runs into ranked tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import FOR_PROGRAMS, format_option
from benchmark.commands.outputs import check_file, is_table
from registry.errors import UserError
from registry.printable import printable

if TYPE_CHECKING:
    from benchmark.terminal.tables import Format

EXIT_BROKEN = 1


@click.command()
@click.option(
    "--view",
    type=click.Choice(["summary", "trees", "all"]),
    default="summary",
    show_default=True,
    help="The study's summary, its tree heads in both experiments, or every run.",
)
@click.option(
    "--context",
    metavar="ID",
    help="Which data and settings, or all. [default: those of the newest run]",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the view to a file, too.",
)
@click.option(
    "--check",
    "promised",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Exit with 1 if a row of FILE is missing, or its test accuracy below what FILE promises.",
)
@format_option
def leaderboard(
    view: str, context: str | None, csv_file: Path | None, promised: Path | None, format_: Format
) -> None:
    """Rank the completed runs, from MLflow.

    A row is a system, the best on validation first; its figures are means of its seeds. CSV and
    JSON have shares of one, milliseconds and seconds.

    The FILE of --check is CSV or JSON: rows with system or run (weights, too, where a system has
    several), and at_least, a share of one. An export of the leaderboard is such a file: it promises
    the lower bounds of its intervals, test_accuracy_low.
    """
    from benchmark.tracking.store import existing_store

    if csv_file is not None:
        check_file(csv_file, "--csv FILE", is_table)
    if promised is not None and view != "summary":
        raise UserError("--check takes the rows of --view summary; leave --view out")
    store = existing_store()

    from benchmark.ranking.promises import broken, read_promises
    from benchmark.ranking.tables import make_tables, together
    from benchmark.terminal.console import make_console
    from benchmark.terminal.leaderboard import show_leaderboard
    from benchmark.terminal.progress import print_other_contexts
    from benchmark.terminal.tables import show

    promises = None if promised is None else read_promises(promised)
    console = make_console()
    tables, others = make_tables(store, view, context)
    if format_ not in FOR_PROGRAMS:
        for board in tables:
            show_leaderboard(board, store, format_, console)
    if format_ in FOR_PROGRAMS:
        show(together(tables), format_, console)
    elif format_ == "table":
        print_other_contexts(console, others)
    if csv_file is not None:
        from benchmark.processes.leftovers import rewriting

        with rewriting(csv_file) as path:
            together(tables).to_csv(path, index=False)
    if promises is not None and (failures := broken(promises, together(tables))):
        for failure in failures:
            click.echo(printable(failure), err=True)
        sys.exit(EXIT_BROKEN)
