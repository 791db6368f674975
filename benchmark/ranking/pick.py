"""Turns a ranking and limits of time and size into the row to use, and what it gives up."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.ranking.systems import BEST, BETTER, TIED, Ranking, Row
from registry.errors import UserError
from registry.printable import rounded

TIME, SIZE = "inference_ms", "size_mb"
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "kb": 0.001, "mb": 1.0, "gb": 1000.0}
"""Of times in milliseconds, of sizes in megabytes."""
TIMES, SIZES = ("us", "ms", "s"), ("kb", "mb", "gb")


@dataclass(frozen=True, kw_only=True)
class Picked:
    """The row to use.

    Attributes:
        row: Of the ranking's table.
        best: The best row of all.
        is_leader: Whether it is the best or tied with it; else no such row is within the limits.
        without_size: Systems whose size was not measured, and that a limit of size leaves out.
    """

    row: Row
    best: Row
    is_leader: bool
    without_size: list[str]


def read_limit(text: str, units: tuple[str, ...]) -> float:
    """Read a limit such as ``20ms`` or ``0.5 GB``, in milliseconds or megabytes.

    Args:
        text: As typed.
        units: Those that it may have, `TIMES` or `SIZES`; the second where it has none.

    Raises:
        UserError: It is none.
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", text.strip().lower())
    unit = (found[2] or units[1]) if found else ""
    if not found or unit not in units or float(found[1]) == 0:
        example = "20ms or 0.5s" if units == TIMES else "50MB or 1GB"
        option = "--latency" if units == TIMES else "--size"
        raise UserError(f"{option} {text!r} is no limit; write {example}")
    return float(found[1]) * _UNITS[unit]


def pick(ranking: Ranking, latency_ms: float | None, size_mb: float | None) -> Picked:
    """Pick, among the rows that are tied with the best, the most accurate within the limits.

    By validation accuracy: the test split only says what is tied with the best. Where none of them
    is within, the most accurate of all that are.

    Args:
        ranking: Of one context.
        latency_ms: An image may take so many milliseconds, as its run measured.
        size_mb: Weights and head may take so many megabytes.

    Raises:
        UserError: No row is within; says what the smallest and the fastest take.
    """
    best, rows = ranking.best, ranking.rows()
    if best is None:
        raise UserError("no run has a validation accuracy; type: bench run --all")
    limits = {TIME: latency_ms, SIZE: size_mb}
    within = [
        row
        for row in rows
        if all(limit is None or _figure(row, name) <= limit for name, limit in limits.items())
    ]
    if not within:
        raise UserError(f"no row is within these limits; {_least(rows)}")
    leaders = [row for row in within if row["verdict"] in (BEST, TIED, BETTER)]
    unmeasured = [] if size_mb is None else [r for r in rows if math.isnan(_figure(r, SIZE))]
    return Picked(
        row=max(leaders or within, key=lambda row: _or_least(_figure(row, "best_val_accuracy"))),
        best=best,
        is_leader=bool(leaders),
        without_size=list(dict.fromkeys(str(row["system"]) for row in unmeasured)),
    )


def _figure(row: Row, name: str) -> float:
    """A figure of a row; nan where it was not measured."""
    return float("nan") if pd.isna(row[name]) else float(row[name])


def _or_least(figure: float) -> float:
    return -1.0 if math.isnan(figure) else figure


def _least(rows: Sequence[Row]) -> str:
    told = []
    for name, kind, unit in ((TIME, "fastest", "ms"), (SIZE, "smallest", "MB")):
        if measured := [row for row in rows if not math.isnan(_figure(row, name))]:
            least = min(measured, key=lambda row: _figure(row, name))
            told.append(f"the {kind} is {least['run']} with {rounded(least[name])} {unit}")
    return ", ".join(told) or "no run has measured its time and size"
