"""Turns a data frame into what the user asked to see: a table, CSV, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

Format = Literal["table", "csv", "markdown", "json"]


def percent(value: float) -> str:
    """0.4213 -> 42.13%."""
    return f"{value:.2%}"


def points(value: float) -> str:
    """0.0213 -> +2.13 points."""
    return f"{100 * value:+.2f} points"


def duration(seconds: float) -> str:
    """Seconds -> ``0.4 s``, ``38 s``, ``4 min 10 s`` or ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def count(value: float) -> str:
    """Shorten a count as the study does: ``29.6M``, ``704K``."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.0f}"


def size(value: float | str) -> str:
    """A network's parameter count, shortened, or a head's parameters as they are."""
    return value if isinstance(value, str) else count(value)


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "accuracy": percent,
    "share": percent,
    "gain": points,
    "seconds": duration,
    "parameters": size,
    "params_": count,
    "flops": count,
}
"""How the table and Markdown write columns whose names hold this; CSV and JSON keep numbers."""


def show(frame: pd.DataFrame, format_: Format, console: Console, title: str = "") -> None:
    """Print a data frame.

    Args:
        frame: Underscores in its column names become spaces in the table and Markdown.
        format_: ``csv`` and ``json`` print the bare values, for programs.
        console: Where to.
        title: Above the table or Markdown.
    """
    if format_ == "csv":
        console.file.write(frame.to_csv(index=False))
    elif format_ == "json":
        console.file.write(frame.to_json(orient="records", date_format="iso", indent=2) + "\n")
    elif format_ == "markdown":
        console.file.write(
            (f"**{title}**\n\n" if title else "") + _written(frame).to_markdown(index=False) + "\n"
        )
    else:
        console.print(_rich(frame, title))


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    written = {}
    for name in frame.columns:
        write = next((FORMATS[part] for part in FORMATS if part in name), str)
        written[name.replace("_", " ")] = [
            "" if pd.isna(value) else write(value) for value in frame[name]
        ]
    return pd.DataFrame(written)


def _rich(frame: pd.DataFrame, title: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for place, name in enumerate(frame.columns):
        table.add_column(
            name.replace("_", " "),
            justify="right" if pd.api.types.is_numeric_dtype(frame[name]) else "left",
            overflow="fold",
            no_wrap=place == 0,
        )
    for row in _written(frame).itertuples(index=False):
        table.add_row(*row)
    return table
