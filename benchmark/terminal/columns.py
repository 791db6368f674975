"""Turns columns that are too wide for a terminal into ones that fit, and says what it left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import click
from rich.cells import cell_len
from rich.text import Text

from benchmark.terminal.numbers import FORMATS, plain
from registry.printable import printable

SPARE = (
    "run_id",
    "started",
    "flops",
    "params_trainable",
    "group",
    "experiment",
    "image_size_px",
    "fit_seconds",
    "published",
    "points_to_the_study",
    "ms_an_image",
    "p",
    "settings",
    "weights",
    "data",
)
"""Columns that a narrow terminal does without, the first of them first; then the rightmost."""
KEPT = (
    "status",
    "reason",
    "unavailable",
    "meaning",
    "default",
    "range",
    "test_accuracy",
    "interval",
    "verdict",
    "run",
    "accuracy",
)
"""Parts of the names of columns that it keeps before all others, the first of them longest."""
NAMES = ("run", "name", "study")
"""Columns of names as they are typed."""
FIRST_WIDTH = 20
"""To how many characters a narrow terminal may fold the first column."""
UNBROKEN = 12
"""Up to how many characters a cell stays on one line."""
LONGEST = 40
"""From how many characters a word is broken; no name of a run of the study is."""
PROSE = 40
"""From how many characters a column is prose, which may be folded to `PROSE_WIDTH`."""
PROSE_WIDTH = 22


@dataclass(kw_only=True)
class Column:
    """A column as it is printed.

    Attributes:
        name: In the data frame.
        values: Below the name, None for what is missing.
        number: Whether it stands to the right.
        first: Whether it is the first one, which names the rows.
        cells: What is written of the values.
        width: In characters; until it is fitted, that of the longest cell.
    """

    name: str
    values: list[Any]
    number: bool
    first: bool
    cells: list[Text] = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.cells = [Text(cell_text(self.name, value)) for value in self.values]
        self.width = max(map(cell_len, [self.header, *(cell.plain for cell in self.cells)]))

    @property
    def header(self) -> str:
        """What stands above its cells."""
        return heading(self.name)

    def least(self) -> int:
        """The width below which words or short cells would be broken, or the rows be too high."""
        if self.width > PROSE and not self.first and self.name not in NAMES:
            return PROSE_WIDTH
        parts = self.header.split()
        for cell in self.cells:
            short = cell_len(cell.plain) <= UNBROKEN
            parts += [cell.plain] if short else self.words(cell.plain)
        longest = min(LONGEST, max(map(cell_len, parts)))
        return max(longest, min(self.width, FIRST_WIDTH)) if self.first else longest

    def words(self, cell: str) -> list[str]:
        """What is not to be broken, as an interval; a name of a run may be, before its head's."""
        return re.split(r"(?<=/)" if self.name in NAMES else r"\s+(?![^(]*\))", cell)

    def fold(self) -> None:
        """Break the names of runs that do not fit where they may be."""
        if self.name in NAMES:
            self.cells = [
                cell
                if cell_len(cell.plain) <= self.width
                else Text("\n".join(self.words(cell.plain)))
                for cell in self.cells
            ]


def fit(columns: list[Column], width: int) -> list[str]:
    """Leave columns out and narrow the others until they fit, with two spaces between.

    Args:
        columns: In their order; changed in place.
        width: Of the terminal, in characters.

    Returns:
        Notes on the columns left out: first are those with one value in all rows.
    """
    same, others = [], []
    least = {column.name: column.least() for column in columns}
    while len(columns) > 1 and sum(least[c.name] + 2 for c in columns) - 2 > width:
        rest = [one for one in columns[1:] if not any(part in one.name for part in KEPT)]
        alike = [
            one for one in rest if len({cell.plain for cell in one.cells}) == 1 < len(one.cells)
        ]
        spare = [one for name in SPARE for one in rest if one.name == name]
        kept = sorted(columns[:0:-1], key=_worth)
        out = (alike or spare or rest[::-1] or kept)[0]
        columns.remove(out)
        if alike:
            same.append(f"{out.header} {out.cells[0].plain}")
        else:
            others.append(out.header)
    for column in columns:  # headers are folded before any cell is
        texts = (cell.plain for cell in column.cells)
        column.width = max(map(cell_len, [*column.header.split(), *texts]))
    while (excess := sum(column.width + 2 for column in columns) - 2 - width) > 0:
        widest = max(columns, key=lambda column: column.width - least[column.name])
        slack = widest.width - least[widest.name]
        if not slack:
            break
        widest.width -= min(excess, -(-slack // 2))
    for column in columns:
        column.fold()
    notes = [f"in all rows: {', '.join(same)}"] if same else []
    if others:
        remedy = "--format csv has all" if _takes_format() else "a wider terminal shows more"
        notes.append(f"too wide to show: {', '.join(others)} ({remedy})")
    return notes


def _takes_format() -> bool:
    context = click.get_current_context(silent=True)
    return context is None or any("--format" in one.opts for one in context.command.params)


def _worth(column: Column) -> int:
    """How long a column of `KEPT` is kept: the most for the first."""
    places = [place for place, part in enumerate(KEPT) if part in column.name]
    return -min(places, default=len(KEPT))


def cell_text(name: str, value: Any) -> str:
    """A cell as people read it; None is nothing."""
    if value is None or isinstance(value, str):
        return printable(value or "")
    write = next((FORMATS[part] for part in FORMATS if part in name), plain)
    return printable(write(value))


def heading(name: str) -> str:
    """Words for a column's name; what is typed stays: ``train.batch_size``, ``net-frozen``."""
    return name if any(part in name for part in "./-") else name.replace("_", " ")
