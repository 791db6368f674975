"""Reads a written report as a browser without JavaScript would."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """Tables by caption, all texts, and all addresses."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._rows: list[list[str]] = []
        self._caption: list[str] | None = None
        self._hidden = False
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "caption":
            self._caption = []
        self._hidden = tag in ("script", "style") or (self._hidden and tag not in ("body", "main"))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = False
        elif tag == "caption":
            self.tables["".join(self._caption or [])] = self._rows
            self._caption = None
        elif tag == "table":
            self._rows = []

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.text += data
        if self._caption is not None:
            self._caption.append(data)
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data

    def table(self, caption: str) -> list[list[str]]:
        """Rows of the one table whose caption begins so, without its headings."""
        (rows,) = (rows for name, rows in self.tables.items() if name.startswith(caption))
        return [[" ".join(cell.split()) for cell in row] for row in rows[1:]]


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))
