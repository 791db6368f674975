"""Turns a data frame into what the user asked to see: a table, CSV, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from benchmark.terminal.columns import Column, cell_text, fit, heading
from benchmark.terminal.console import line
from benchmark.terminal.numbers import BAR_WIDTH, bar
from registry.printable import marked, printable

if TYPE_CHECKING:
    import pandas as pd

Rows = Sequence[Mapping[str, str]]
"""What no data frame is needed for: pandas takes longer to load than to list."""
Format = Literal["table", "csv", "markdown", "json"]
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
        text = frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2)
        console.file.write(text + "\n")
    else:
        console.file.write((f"**{marked(title)}**\n\n" if title else "") + _markdown(frame) + "\n")


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
        written[heading(name)] = [marked(cell_text(name, value)) for value in values]
    return pd.DataFrame(written).to_markdown(
        index=False,
        disable_numparse=True,  # a class may be called 007
        colalign=sides if len(frame) else None,
    )


def _print_table(table: pd.DataFrame | Rows, console: Console, title: str) -> None:
    """Print what fits into the console's width, folded at spaces, and name what does not."""
    columns = [
        Column(name=name, values=values, number=number, first=place == 0)
        for place, (name, values, number) in enumerate(_columns(table[:ROWS]))
    ]
    columns = [column for column in columns if any(cell.plain for cell in column.cells)]
    notes: list[str] = []
    room = console.width - 1 - 3 * len(columns) - sum(column.width for column in columns)
    narrow = room < 0
    if narrow:
        notes = fit(columns, console.width)
    elif room >= BAR_WIDTH and console.is_interactive:
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


def _add_bars(column: Column) -> None:
    """Draw each share beside its number."""
    digits = max(cell_len(cell.plain) for cell in column.cells)
    for cell, share in zip(column.cells, column.values, strict=True):
        cell.pad_left(digits - cell_len(cell.plain))
        cell.append("" if share is None else f" {bar(share)}", style="cyan")
    column.number = False
    column.width = max(column.width, digits + 1 + BAR_WIDTH)
