"""Turns ranked systems into a table for people, with lines below that say what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from rich.console import Console

from benchmark.ranking.comparison import Comparison
from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.remarks import network_curves, remarks
from benchmark.ranking.systems import Ranking
from benchmark.ranking.tables import UNSHARED, Leaderboard, summary
from benchmark.study.suite import BEYOND, SIGN
from benchmark.terminal.console import line, print_lines
from benchmark.terminal.numbers import interval
from benchmark.terminal.tables import Format, show
from benchmark.tracking.store import Store
from registry.printable import marked


def show_leaderboard(board: Leaderboard, store: Store, format_: Format, console: Console) -> None:
    """Print a set of runs as a table or Markdown, and what may be said of it.

    Args:
        board: As `benchmark.ranking.tables.make_tables` makes it.
        store: Where its runs are.
        format_: ``table`` or ``markdown``.
        console: Where to.
    """
    if board.ranking is None:
        show(board.table, format_, console, title=board.context.title)
    else:
        show_ranking(board.ranking, store, format_, console, title=board.context.title)


def show_ranking(
    ranking: Ranking, store: Store, format_: Format, console: Console, title: str = ""
) -> None:
    """Print ranked systems, the best first, with a recommendation and remarks.

    Args:
        ranking: As `benchmark.ranking.systems.rank_systems` makes it.
        store: Where its runs are.
        format_: ``table`` or ``markdown``.
        console: Where to.
        title: Above the table.
    """
    table = readable(ranking)
    show(table, format_, console, title)
    noticed = remarks(ranking, network_curves(ranking, store), store)
    told = [*recommendation(ranking), *noticed, *legend(table)]
    if format_ == "markdown":
        console.file.write("".join(f"\n{marked(text)}\n" for text in told))
    else:
        print_lines(console, *map(line, told))


def readable(ranking: Ranking) -> pd.DataFrame:
    """Put what belongs together into one column: intervals, ranks, seeds."""
    table = summary(ranking)
    columns: dict[str, object] = {
        "system": _signed(table),
        "run": table["run"],
        "test_accuracy": table["test_accuracy"],
        "95%_interval": _pairs(table, "test_accuracy_low", "test_accuracy_high", interval),
        **({"accuracy_without_copies": table[UNSHARED]} if UNSHARED in table else {}),
        "verdict": table["verdict"],
        "points_to_the_best": _against(table, "difference"),
        "p": _p_values(table["p_holm"]),
        "rank": _pairs(table, "rank_low", "rank_high", _ranks),
        "seeds": [
            f"{count} (lacks {missing})" if missing else str(count)
            for count, missing in zip(table["seeds"], table["seeds_missing"], strict=True)
        ],
    }
    if "gain" in table:
        columns["gain"] = table["gain"]
    if "study_accuracy" in table:
        columns["study_accuracy"] = table["study_accuracy"]
        columns["points_to_the_study"] = _against(table, "study_difference")
        columns["published"] = table["study_verdict"]
    for name in ("backbone", "experiment", "settings", "parameters", "weights", "image_size_px"):
        columns[name] = table[name]
    columns["ms_an_image"] = table["inference_ms"]
    columns["fit_seconds"] = table["fit_seconds"]
    return pd.DataFrame(columns)


def readable_comparison(comparison: Comparison) -> pd.DataFrame:
    """Put what belongs together into one column, as in `readable`."""
    table = comparison.systems
    return pd.DataFrame(
        {
            "system": _signed(table),
            "test_accuracy": table["test_accuracy"],
            "95%_interval": _pairs(table, "test_accuracy_low", "test_accuracy_high", interval),
            "points_to_the_first": _against(table, "difference"),
            "p": _p_values(table["p"]),
            "verdict": table["verdict"],
            "seeds": table["seeds"],
        }
    )


def legend(table: pd.DataFrame) -> list[str]:
    """Say what the sign behind some systems' names means, if there is one."""
    return [f"{SIGN} {BEYOND}"] if table["system"].str.endswith(SIGN).any() else []


def _signed(table: pd.DataFrame) -> pd.Series[str]:
    """The systems' names, with a sign behind those beyond the study."""
    return table["system"] + (table["experiment"] == BEYOND).map({True: f" {SIGN}", False: ""})


def _p_values(values: pd.Series[float]) -> list[str]:
    return ["" if pd.isna(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in values]


def _pairs(table: pd.DataFrame, low: str, high: str, write: Callable[[Any, Any], str]) -> list[str]:
    pairs = zip(table[low], table[high], strict=True)
    return ["" if pd.isna(one) else write(one, other) for one, other in pairs]


def _ranks(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _against(table: pd.DataFrame, name: str) -> list[str]:
    """Differences with their bounds, in points; the best has none to itself."""
    rows = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [
        ""
        if pd.isna(low) or low == high == 0
        else f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        for value, low, high in rows
    ]
