"""Characters of every script on pictures, or one warning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw

from benchmark.data import fonts
from benchmark.data.figures import write_figure

OTHER = "STIXGeneral"
"""Matplotlib brings it along, too."""


@pytest.fixture(autouse=True)
def bundled_fonts_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which no font is installed but matplotlib's own."""
    found = [one for one in font_manager.fontManager.ttflist if "mpl-data" in str(one.fname)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", found)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(fonts, "_told", set())
    fonts._fonts_for.cache_clear()
    yield
    fonts._fonts_for.cache_clear()


def only_in_other() -> str:
    """A character that the second font has and the first does not."""
    first, second = (
        FT2Font(font_manager.findfont(name)).get_charmap() for name in (fonts.BASE, OTHER)
    )
    return next(chr(one) for one in sorted(set(second) - set(first)) if chr(one).isalpha())


def drawn(title: str, path: Path) -> None:
    def draw() -> Figure:
        figure = Figure()
        figure.subplots().set_title(title)
        return figure

    write_figure(path, draw)


def test_a_font_is_taken_that_has_the_character() -> None:
    assert fonts.families(["plain Café"]) == [fonts.BASE]
    first, second = fonts.families(["plain", f"x{only_in_other()}"])
    assert first == fonts.BASE
    assert second.startswith("STIX")


def test_what_no_font_has_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("日本 cat", "日 dog 🦊", "🦊"):
            drawn(name, tmp_path / f"{name}.png")
            assert (tmp_path / f"{name}.png").exists()
    assert caplog.messages == [
        "no installed font has 日 本: pictures show boxes; install one, such as Noto Sans CJK",
        "no installed font has 🦊: pictures show boxes; install one, such as Noto Emoji",
    ]


def test_a_line_stays_within_its_width_whatever_it_holds() -> None:
    for text in ("short", "long " * 40, f"mixed {only_in_other()} text"):
        image = Image.new("RGB", (200, 30), "white")
        fonts.draw_line(ImageDraw.Draw(image), (100, 15), text, size=15, width=120)
        columns = np.flatnonzero((np.asarray(image) < 128).any(axis=(0, 2)))
        assert len(columns) > 10
        assert 38 <= columns[0] < columns[-1] <= 162
