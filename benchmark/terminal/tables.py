"""Turns a data frame into what the user asked to see: a table, CSV, Markdown or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.terminal.console import line
from benchmark.terminal.numbers import BAR_WIDTH, FORMATS, bar, plain
from registry.printable import marked, printable

if TYPE_CHECKING:
    import pandas as pd

Rows = Sequence[Mapping[str, str]]
"""What no data frame is needed for: pandas takes longer to load than to list."""
Format = Literal["table", "csv", "markdown", "json"]


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
ROWS = 200
"""How many rows a table shows; thousands would take seconds, and nobody reads them."""
_BARRED = "test_accuracy"


def show(table: pd.DataFrame | Rows, format_: Format, console: Console, title: str = "") -> None:
    """Print a data frame, or rows of texts.

    Args:
        table: Its column names become words in the table and Markdown.
        format_: ``csv`` and ``json`` print the bare values, for programs.
        console: Where to.
        title: Above the table or Markdown.
    """
    if format_ == "table":
        _print_table(table, console, title)
        return
    import pandas as pd

    frame = pd.DataFrame(table)
    if format_ == "csv":
        console.file.write(frame.map(_safe).to_csv(index=False))
    elif format_ == "json":
        console.file.write(frame.to_json(orient="records", date_format="iso", indent=2) + "\n")
    else:
        console.file.write((f"**{marked(title)}**\n\n" if title else "") + _markdown(frame) + "\n")


def _write(name: str, value: Any) -> str:
    """A cell as people read it; None is nothing."""
    if value is None or isinstance(value, str):
        return printable(value or "")
    write = next((FORMATS[part] for part in FORMATS if part in name), plain)
    return printable(write(value))


def _heading(name: str) -> str:
    """Words for a column's name; what is typed stays: ``train.batch_size``, ``net-frozen``."""
    return name if any(part in name for part in "./-") else name.replace("_", " ")


def _safe(value: Any) -> Any:
    """Escape control characters in texts; JSON's writer does so itself."""
    return printable(value) if isinstance(value, str) else value


def _columns(table: pd.DataFrame | Rows) -> Iterator[tuple[str, list[Any], bool]]:
    """The name of each column, its values, None for missing ones, and whether they are numbers."""
    if isinstance(table, Sequence):
        for name in table[0] if table else ():
            yield name, [row[name] for row in table], False
        return
    import pandas as pd

    for place, name in enumerate(table.columns):
        values = table.iloc[:, place]
        number = pd.api.types.is_numeric_dtype(values.dtype)
        yield name, [None if pd.isna(value) else value for value in values], number


def _markdown(frame: pd.DataFrame) -> str:
    import pandas as pd

    sides, written = [], {}
    for name, values, number in _columns(frame):
        sides.append("right" if number else "left")
        written[_heading(name)] = [marked(_write(name, value)) for value in values]
    return pd.DataFrame(written).to_markdown(
        index=False,
        disable_numparse=True,  # a class may be called 007
        colalign=sides if len(frame) else None,
    )


@dataclass(kw_only=True)
class _Column:
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
        self.cells = [Text(_write(self.name, value)) for value in self.values]
        self.width = max(map(cell_len, [self.header, *(cell.plain for cell in self.cells)]))

    @property
    def header(self) -> str:
        return _heading(self.name)

    def least(self, *, intervals: bool = False) -> int:
        """The width below which words, short cells or, if asked for, ``intervals`` would break."""
        if self.width > PROSE and not self.first and self.name not in NAMES:
            return PROSE_WIDTH
        parts = self.header.split()
        for cell in self.cells:
            short = cell_len(cell.plain) <= UNBROKEN
            parts += [cell.plain] if short else self.words(cell.plain)
            parts += re.findall(r"\(.*?\)", cell.plain) if intervals else []
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


def _print_table(table: pd.DataFrame | Rows, console: Console, title: str) -> None:
    """Print what fits into the console's width, folded at spaces, and name what does not."""
    columns = [
        _Column(name=name, values=values, number=number, first=place == 0)
        for place, (name, values, number) in enumerate(_columns(table[:ROWS]))
    ]
    columns = [column for column in columns if any(cell.plain for cell in column.cells)]
    notes: list[str] = []
    room = console.width - 1 - 3 * len(columns) - sum(column.width for column in columns)
    narrow = room < 0
    if narrow:
        notes = _fit(columns, console.width)
    elif room >= BAR_WIDTH and console.is_terminal and not console.is_dumb_terminal:
        for column in columns:
            if column.name == _BARRED:
                _add_bars(column)
    if len(table) > ROWS:
        notes.append(f"the first {ROWS} of {len(table):,} rows (--format csv has all)")
    if title:
        console.print(line(title, style="italic"))
    shown = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if narrow else (0, 1),
        pad_edge=not narrow,
        show_edge=not narrow,
    )
    for column in columns:
        shown.add_column(
            column.header,
            justify="right" if column.number else "left",
            width=column.width,
            overflow="fold",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        shown.add_row(*row)
    console.print(shown)
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
    roomy = {column.name: column.least(intervals=True) for column in columns}
    if sum(roomy.values()) + 2 * len(columns) - 2 <= width:
        least = roomy
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


def _worth(column: _Column) -> int:
    """How long a column of `KEPT` is kept: the most for the first."""
    places = [place for place, part in enumerate(KEPT) if part in column.name]
    return -min(places, default=len(KEPT))


def _add_bars(column: _Column) -> None:
    """Draw each share beside its number."""
    digits = max(cell_len(cell.plain) for cell in column.cells)
    for cell, share in zip(column.cells, column.values, strict=True):
        cell.pad_left(digits - cell_len(cell.plain))
        cell.append("" if share is None else f" {bar(share)}", style="cyan")
    column.number = False
    column.width = max(column.width, digits + 1 + BAR_WIDTH)
