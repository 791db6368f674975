"""Turns values into the texts of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from benchmark.terminal.numbers import count, duration, percent, points
from registry.printable import rounded


def interval(bounds: tuple[float, float]) -> str:
    """(0.625, 0.877) -> 62.5 to 87.7%; nothing where there is none."""
    if pd.isna(bounds[0]):
        return ""
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}%"


def ranks(row: Mapping[str, Any]) -> str:
    """``3``, or ``2 to 5``."""
    low, high = int(row["rank_low"]), int(row["rank_high"])
    return str(low) if low == high else f"{low} to {high}"


def bounds(row: Mapping[str, Any]) -> str:
    """The interval of a difference in points: ``-5.1 to +2.0``."""
    return f"{100 * row['difference_low']:+.1f} to {100 * row['difference_high']:+.1f}"


def commit(name: str) -> str:
    """Shorten a commit, but keep what says that the checkout was changed."""
    digits, dash, changed = name.partition("-")
    return digits[:10] + dash + changed


def breakable(name: str) -> Markup:
    """Let a line end after a name's punctuation."""
    return Markup(re.sub(r"([/_-])", r"\1<wbr>", str(escape(name))))


def if_known(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """Write a dash for what is not known."""
    return lambda value: "–" if pd.isna(value) else write(value)


FILTERS: Mapping[str, Callable[[Any], str]] = {
    "interval": interval,
    "ranks": ranks,
    "bounds": bounds,
    "commit": commit,
    "breakable": breakable,
    "percent": if_known(percent),
    "points": if_known(points),
    "duration": if_known(duration),
    "count": if_known(count),
    "decimals": if_known("{:.3g}".format),
    "rounded": if_known(rounded),
}
