"""``bench pick``: turns limits of time and size into the most accurate classifier within them."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import click

from registry.errors import UserError
from registry.printable import printable, rounded

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.ranking.systems import Row


@click.command()
@click.option(
    "--latency",
    metavar="TIME",
    help="For an image at most, such as 20ms or 0.5s; without a unit, milliseconds.",
)
@click.option(
    "--size",
    metavar="SIZE",
    help="Of weights and head at most, such as 50MB or 1GB; without a unit, megabytes.",
)
@click.option(
    "--context", metavar="ID", help="Which data and settings. [default: those of the newest run]"
)
def pick(latency: str | None, size: str | None, context: str | None) -> None:
    """Pick the most accurate classifier within limits, and say what it gives up.

    Of the rows that are tied with the best by the leaderboard's test, it is the one with the best
    validation accuracy whose measured time and size are within the limits.
    """
    from benchmark.ranking.pick import SIZES, TIMES, pick, read_limit

    if latency is None and size is None:
        raise UserError("name a limit: bench pick --latency 20ms --size 50MB")
    limits = (
        None if latency is None else read_limit(latency, TIMES),
        None if size is None else read_limit(size, SIZES),
    )

    from benchmark.classifier.completed import find_trained
    from benchmark.ranking.contexts import choose_one
    from benchmark.ranking.systems import rank_systems
    from benchmark.tracking.store import Store

    store = Store()
    chosen = choose_one(store, context)
    picked = pick(rank_systems(store, chosen.runs), *limits)
    row, best = picked.row, picked.best
    lines = [chosen.contexts[0].title, f"{_called(row, chosen.runs)}: {_figures(row)}"]
    if row["run_id"] == best["run_id"]:
        lines.append("It is the best row by validation accuracy: nothing is given up")
    else:
        if not picked.is_leader:
            lines.append("No row within these limits is known to be tied with the best")
        against = f"{_called(best, chosen.runs)} ({_figures(best)})"
        lines.append(f"given up against {against}: {_difference(row)}")
    if picked.without_size:
        lines.append(f"left out, since their size is not known: {', '.join(picked.without_size)}")
    lines.append(f"Times are of {row['hardware']}")
    name, id_ = str(row["run"]), chosen.contexts[0].id
    by_id = _called(row, chosen.runs) != name  # which stands for several rows
    name = str(row["run_id"]) if by_id else name
    use = f"bench predict PATH --model {shlex.quote(name)}"
    if context is not None and not by_id:
        use += f" --context {id_[:8]}"
    try:
        find_trained(store, name, context=None if by_id else id_)
        lines.append(f"Use it: {use}")
    except UserError as error:  # it kept no weights
        lines.append(str(error))
    for line in lines:
        click.echo(printable(line))


def _called(row: Row, runs: pd.DataFrame) -> str:
    """A row's name, with its weights where it was made with others besides."""
    several = runs[runs["run"] == row["run"]]["weights"].nunique() > 1
    return f"{row['run']} (weights {row['weights']})" if several else str(row["run"])


def _figures(row: Row) -> str:
    told = f"test accuracy {row['test_accuracy']:.2%}"
    low, high = row["test_accuracy_low"], row["test_accuracy_high"]
    if not math.isnan(low):
        told += f" (95% interval {low:.2%} to {high:.2%})"
    for name, unit in (("inference_ms", "ms an image"), ("size_mb", "MB")):
        if not math.isnan(row[name]):
            told += f", {rounded(row[name])} {unit}"
    return told


def _difference(row: Row) -> str:
    if row["difference"] != row["difference"]:  # nan
        return "it cannot be told, since the test predictions of one of them are gone"
    points = [100 * float(row[f"difference{end}"]) for end in ("", "_low", "_high")]
    return (
        f"{points[0]:+.2f} points of test accuracy (95% interval {points[1]:+.2f} to "
        f"{points[2]:+.2f}; {row['verdict']}, p = {float(row['p_holm']):.2g})"
    )
