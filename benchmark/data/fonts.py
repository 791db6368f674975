"""Turns texts into installed fonts that have their characters, and into lines on pictures."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import groupby

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

BASE = "DejaVu Sans"
"""Matplotlib brings it along."""
_BOXES = "Last Resort"
"""The beginning of the name of a font that has a box for every character."""
_told: set[str] = set()
"""Characters without a font that have been told."""
_log = logging.getLogger(__name__)


def families(texts: Iterable[str]) -> list[str]:
    """Name the fonts that have the characters of texts, `BASE` first; matplotlib tries them so.

    What no installed font has is told once, as a warning.
    """
    characters = frozenset("".join(texts)) - _characters(font_manager.findfont(BASE))
    return [BASE, *dict.fromkeys(entry.name for entry in _fonts_for(characters).values())]


def draw_line(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, *, size: float, width: float
) -> None:
    """Write a line of text around a place, each character in a font that has it.

    Args:
        draw: Where to.
        place: The middle of the line, in pixels.
        text: The line.
        size: Of the letters, in pixels; smaller where the line would be too wide.
        width: The most that the line may take, in pixels.
    """
    parts = _parts(text, size)
    length = sum(font.getlength(part) for font, part in parts)
    if length > width:
        parts = _parts(text, size * width / length)
        length = width
    x = place[0] - length / 2
    for font, part in parts:
        draw.text((x, place[1]), part, "black", font, anchor="lm")
        x += font.getlength(part)


def _parts(text: str, size: float) -> list[tuple[ImageFont.FreeTypeFont, str]]:
    """Divide a text where the font that has its characters changes."""
    base = font_manager.findfont(BASE)
    known = _characters(base)
    others = _fonts_for(frozenset(text) - known)
    files = {
        character: (str(entry.fname), getattr(entry.fname, "face_index", 0))
        for character, entry in others.items()
    }
    return [
        (ImageFont.truetype(file, size, index=face), "".join(characters))
        for (file, face), characters in groupby(text, lambda one: files.get(one, (base, 0)))
    ]


@cache
def _fonts_for(characters: frozenset[str]) -> dict[str, font_manager.FontEntry]:
    """Find a font for each character, the plainest first and as few as may be."""
    missing = {one for one in characters if one.isprintable() and not one.isspace()}
    found: dict[str, font_manager.FontEntry] = {}
    if not missing:
        return found
    known = {str(entry.fname) for entry in font_manager.fontManager.ttflist}
    for file in set(font_manager.findSystemFonts()) - known:
        try:  # matplotlib's list may be older than the font
            font_manager.fontManager.addfont(file)
        except RuntimeError:  # a font of bitmaps
            continue
    fonts = [one for one in font_manager.fontManager.ttflist if not one.name.startswith(_BOXES)]
    for entry in sorted(fonts, key=_plainness):
        here = missing & _characters(entry.fname)
        found |= dict.fromkeys(here, entry)
        missing -= here
        if not missing:
            return found
    symbols = {one for one in missing if unicodedata.category(one).startswith("S")}
    for font, these in (("Noto Emoji", symbols), ("Noto Sans CJK", missing - symbols)):
        if new := sorted(these - _told):
            _told.update(new)
            told = "no installed font has %s: pictures show boxes; install one, such as %s"
            _log.warning(told, " ".join(new[:10]), font)
    return found


def _plainness(entry: font_manager.FontEntry) -> tuple[bool, ...]:
    name = entry.name.lower()
    odd = [word in name for word in ("serif", "mono", "condensed", "math")]
    return (entry.weight not in (400, "normal", "regular"), entry.style != "normal", *odd)


@cache
def _characters(file: str) -> frozenset[str]:
    return frozenset(map(chr, FT2Font(file).get_charmap()))
