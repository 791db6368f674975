"""Turns a data frame into what the user asked to see: a table, CSV, Markdown or JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.terminal.console import line
from benchmark.terminal.numbers import BAR_WIDTH, FORMATS, bar, plain
from registry.printable import marked, printable

Format = Literal["table", "csv", "markdown", "json"]


SPARE = (
    "run_id",
    "started",
    "flops",
    "params_trainable",
    "group",
    "experiment",
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
    "range",
    "test_accuracy",
    "interval",
    "verdict",
    "run",
    "accuracy",
)
"""Parts of the names of columns that it keeps before all others, the first of them longest."""
NAMES = ("run", "name")
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
ROWS = 200
"""How many rows a table shows; thousands would take seconds, and nobody reads them."""
_BARRED = "test_accuracy"


def show(frame: pd.DataFrame, format_: Format, console: Console, title: str = "") -> None:
    """Print a data frame.

    Args:
        frame: Its column names become words in the table and Markdown.
        format_: ``csv`` and ``json`` print the bare values, for programs.
        console: Where to.
        title: Above the table or Markdown.
    """
    if format_ == "csv":
        console.file.write(frame.map(_safe).to_csv(index=False))
    elif format_ == "json":
        console.file.write(frame.to_json(orient="records", date_format="iso", indent=2) + "\n")
    elif format_ == "markdown":
        console.file.write((f"**{marked(title)}**\n\n" if title else "") + _markdown(frame) + "\n")
    else:
        _print_table(frame, console, title)


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    written = {}
    for name in frame.columns:
        write = next((FORMATS[part] for part in FORMATS if part in name), plain)
        written[_heading(name)] = [
            "" if pd.isna(value) else printable(write(value)) for value in frame[name]
        ]
    return pd.DataFrame(written)


def _heading(name: str) -> str:
    """Words for a column's name; what is typed stays: ``train.batch_size``, ``net-frozen``."""
    return name if any(part in name for part in "./-") else name.replace("_", " ")


def _safe(value: Any) -> Any:
    """Escape control characters in texts; JSON's writer does so itself."""
    return printable(value) if isinstance(value, str) else value


def _markdown(frame: pd.DataFrame) -> str:
    sides = ["right" if pd.api.types.is_numeric_dtype(kind) else "left" for kind in frame.dtypes]
    return (
        _written(frame)
        .map(marked)
        .to_markdown(
            index=False,
            disable_numparse=True,  # a class may be called 007
            colalign=sides if len(frame) else None,
        )
    )


@dataclass(kw_only=True)
class _Column:
    """A column as it is printed.

    Attributes:
        name: In the data frame.
        cells: What is written below the name.
        number: Whether it stands to the right.
        first: Whether it is the first one, which names the rows.
        width: In characters; until it is fitted, that of the longest cell.
    """

    name: str
    cells: list[Text]
    number: bool
    first: bool
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(map(cell_len, [self.header, *(cell.plain for cell in self.cells)]))

    @property
    def header(self) -> str:
        return _heading(self.name)

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
        """What is not to be broken: a name of a run may be, before its head's."""
        return re.split(r"(?<=/)" if self.name in NAMES else r"\s+", cell)

    def fold(self) -> None:
        """Break the names of runs that do not fit where they may be."""
        if self.name in NAMES:
            self.cells = [
                cell
                if cell_len(cell.plain) <= self.width
                else Text("\n".join(self.words(cell.plain)))
                for cell in self.cells
            ]


def _print_table(frame: pd.DataFrame, console: Console, title: str) -> None:
    """Print what fits into the console's width, folded at spaces, and name what does not."""
    rows = len(frame)
    frame = frame.head(ROWS)
    written = _written(frame)
    columns = [
        _Column(
            name=name,
            cells=[Text(cell) for cell in written.iloc[:, place]],
            number=pd.api.types.is_numeric_dtype(frame[name]),
            first=place == 0,
        )
        for place, name in enumerate(frame.columns)
        if any(written.iloc[:, place])
    ]
    notes: list[str] = []
    room = console.width - 1 - 3 * len(columns) - sum(column.width for column in columns)
    narrow = room < 0
    if narrow:
        notes = _fit(columns, console.width)
    elif room >= BAR_WIDTH and console.is_terminal and not console.is_dumb_terminal:
        for column in columns:
            if column.name == _BARRED:
                _add_bars(column, frame[_BARRED])
    if rows > ROWS:
        notes.append(f"the first {ROWS} of {rows:,} rows (--format csv has all)")
    if title:
        console.print(line(title, style="italic"))
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if narrow else (0, 1),
        pad_edge=not narrow,
        show_edge=not narrow,
    )
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.number else "left",
            width=column.width,
            overflow="fold",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    console.print(table)
    for note in notes:
        console.print(line(note, style="dim"), highlight=False)


def _fit(columns: list[_Column], width: int) -> list[str]:
    """Leave columns out and narrow the others until they fit, with two spaces between.

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
        notes.append(f"too wide to show: {', '.join(others)} (--format csv has all)")
    return notes


def _worth(column: _Column) -> int:
    """How long a column of `KEPT` is kept: the most for the first."""
    places = [place for place, part in enumerate(KEPT) if part in column.name]
    return -min(places, default=len(KEPT))


def _add_bars(column: _Column, shares: pd.Series[float]) -> None:
    """Draw each share beside its number."""
    digits = max(cell_len(cell.plain) for cell in column.cells)
    for cell, share in zip(column.cells, shares, strict=True):
        cell.pad_left(digits - cell_len(cell.plain))
        cell.append("" if pd.isna(share) else f" {bar(share)}", style="cyan")
    column.number = False
    column.width = max(column.width, digits + 1 + BAR_WIDTH)
