"""Turns a creature into a picture of it in the manner of one kind of source, sprite to sketch."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from benchmark.data.demo.anatomy import Part, Points
from benchmark.data.demo.creature import parts_of
from benchmark.data.demo.species import RGB, Palette, Species, hsv

Size = tuple[int, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A creature ready to be placed in a picture.

    Attributes:
        parts: Its parts, upright and facing right.
        palette: Colour of each tone, as this picture renders it.
        turn: Factor in the complex plane that tilts and scales it; 1 fills its box upright.
        mirror: Whether it faces left.
        shift: Offset from the middle of its box, in half boxes.
    """

    parts: list[Part]
    palette: Palette
    turn: complex
    mirror: bool
    shift: complex


def picture(kind: Species, size: Size, rng: np.random.Generator) -> Image.Image:
    """A picture of a species from a random source.

    Args:
        kind: What to draw.
        size: Width and height, in pixels.
        rng: Source of the pose, the kind of source and all that varies.

    Returns:
        An RGB image, or RGBA where the background is transparent.
    """
    source = _SOURCES[rng.choice(len(_SOURCES), p=_ODDS)]
    return source(_subject(kind, rng), size, rng)


def _subject(kind: Species, rng: np.random.Generator) -> Subject:
    spread = 9 if rng.random() < 0.88 else 75
    tilt = np.deg2rad(rng.normal(0, spread))
    scale = rng.uniform(0.62, 1.08) * (0.8, 0.92, 1.0)[kind.stage]
    return Subject(
        parts=parts_of(kind, rng),
        palette=_relit(kind.palette, rng),
        turn=scale * np.exp(1j * tilt),
        mirror=rng.random() < 0.5,
        shift=complex(*rng.uniform(-0.16, 0.16, 2)),
    )


def _relit(palette: Palette, rng: np.random.Generator) -> Palette:
    """The palette under another artist's light: warmer or colder, brighter or darker."""
    gain = rng.uniform(0.8, 1.12) * rng.uniform(0.9, 1.1, 3)
    return {tone: _rgb(np.array(colour) * gain) for tone, colour in palette.items()}


def _rgb(colour: NDArray[np.float64]) -> RGB:
    red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
    return red, green, blue


def _mix(one: RGB, other: RGB, share: float) -> RGB:
    return _rgb((1 - share) * np.array(one) + share * np.array(other))


def _placed(subject: Subject, box: Box) -> list[Part]:
    """The subject's parts in pixels, fitted to a box of left, top, right and bottom."""
    outline = np.concatenate([part.points for part in subject.parts])
    middle = (_low(outline) + _high(outline)) / 2
    extent = _high(outline) - _low(outline)
    half = complex(box[2] - box[0], box[3] - box[1]) / 2
    fit = 1.9 * min(half.real, half.imag) / max(extent.real, extent.imag)
    centre = complex(box[0], box[1]) + half
    centre += complex(subject.shift.real * half.real, subject.shift.imag * half.imag)
    parts = []
    for part in subject.parts:
        points = part.points - middle
        points = -points.conj() if subject.mirror else points
        parts.append(replace(part, points=centre + fit * subject.turn * points))
    return parts


def _low(points: Points) -> complex:
    return complex(points.real.min(), points.imag.min())


def _high(points: Points) -> complex:
    return complex(points.real.max(), points.imag.max())


def _corners(points: Points) -> list[float]:
    flat: list[float] = np.stack([points.real, points.imag], axis=1).ravel().tolist()
    return flat


def _drawn(parts: list[Part], palette: Palette, size: Size, width: int) -> Image.Image:
    """The parts on a transparent ground, their edges inked `width` pixels wide."""
    layer = Image.new("RGBA", size)
    draw = ImageDraw.Draw(layer)
    for part in parts:
        corners = _corners(part.points)
        draw.polygon(corners, fill=palette[part.tone])
        if width and part.line:
            draw.line(corners + corners[:2], fill=palette["ink"], width=width)
    return layer


def _shaded(layer: Image.Image, parts: list[Part], rng: np.random.Generator) -> Image.Image:
    """The layer with each part rounded by light from above."""
    small = layer.width // 4, layer.height // 4
    bulge = Image.new("L", small)
    draw = ImageDraw.Draw(bulge)
    for part in parts:
        if part.line:
            draw.polygon(_corners(part.points / 4), fill=255, outline=40)
    height = np.asarray(bulge.filter(ImageFilter.GaussianBlur(small[1] / 30)), dtype=np.float32)
    down, right = np.gradient(height)
    light = rng.uniform(4, 8) * (down + rng.uniform(-0.8, 0.8) * right) + (height - 190) / 4
    relief = Image.fromarray(np.clip(128 + light, 30, 235).astype(np.uint8)).resize(layer.size)
    lit = ImageChops.overlay(layer.convert("RGB"), Image.merge("RGB", [relief] * 3))
    lit.putalpha(layer.getchannel("A"))
    return lit


def _gradient(size: Size, top: RGB, bottom: RGB) -> Image.Image:
    column = np.linspace(top, bottom, 32).astype(np.uint8)[:, None]
    return Image.fromarray(column).resize(size, Image.Resampling.BILINEAR)


def _pastel(rng: np.random.Generator) -> RGB:
    return hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.85, 1))


def _sprite(subject: Subject, size: Size, rng: np.random.Generator) -> Image.Image:
    """Few large pixels on a plain or transparent ground."""
    pixels = int(rng.integers(40, 80))
    grid = round(size[0] * pixels / min(size)), round(size[1] * pixels / min(size))
    sprite = _drawn(_placed(subject, (0, 0, *grid)), subject.palette, grid, 1)
    if rng.random() < 0.75:
        plain = Image.new("RGBA", grid, (255, 255, 255) if rng.random() < 0.6 else _pastel(rng))
        sprite = Image.alpha_composite(plain, sprite).convert("RGB")
    return sprite.resize(size, Image.Resampling.NEAREST)


def _render(subject: Subject, size: Size, rng: np.random.Generator) -> Image.Image:
    """Soft light on the creature, a pale ground and a cast shadow."""
    scene = _gradient(size, _pastel(rng), _pastel(rng))
    return _posed(scene, subject, (0, 0, *size), rng)


def _posed(scene: Image.Image, subject: Subject, box: Box, rng: np.random.Generator) -> Image.Image:
    """The scene with the shaded creature and its shadow in a box."""
    parts = _placed(subject, box)
    width = int(rng.integers(0, 3)) * max(scene.size) // 240
    layer = _shaded(_drawn(parts, subject.palette, scene.size, width), parts, rng)
    outline = np.concatenate([part.points for part in parts])
    low, high = _low(outline), _high(outline)
    depth = 0.06 * (high.real - low.real)
    shadow = (low.real, high.imag - depth, high.real, high.imag + depth)
    ImageDraw.Draw(scene, "RGBA").ellipse(shadow, fill=(0, 0, 0, 60))
    scene.paste(layer, mask=layer)
    return scene


def _card(subject: Subject, size: Size, rng: np.random.Generator) -> Image.Image:
    """A trading card on a table: frame, art window, bars in place of text."""
    width, height = size
    tall = 0.96 * min(height, width / 0.72)
    left, top = (width - 0.72 * tall) / 2, (height - tall) / 2

    def area(x0: float, y0: float, x1: float, y1: float) -> Box:
        return left + 0.72 * tall * x0, top + tall * y0, left + 0.72 * tall * x1, top + tall * y1

    window = area(0.08, 0.13, 0.92, 0.62)
    scene = Image.new("RGB", size, hsv(rng.random(), 0.3, rng.uniform(0.2, 1)))
    draw = ImageDraw.Draw(scene)
    frame, paper = hsv(rng.random(), rng.uniform(0.3, 0.8), rng.uniform(0.6, 0.95)), _pastel(rng)
    draw.rounded_rectangle(area(0, 0, 1, 1), radius=tall / 25, fill=frame)
    draw.rectangle(area(0.05, 0.04, 0.95, 0.96), fill=paper)
    draw.rectangle(area(0.08, 0.065, 0.08 + rng.uniform(0.25, 0.5), 0.11), fill=(50, 45, 45))
    draw.ellipse(area(0.83, 0.06, 0.9, 0.11), fill=frame)
    for row in range(int(rng.integers(3, 7))):
        y = 0.66 + 0.05 * row
        draw.rectangle(area(0.12, y, rng.uniform(0.5, 0.88), y + 0.02), fill=(90, 85, 85))
    art = _posed(_landscape(size, rng), subject, window, rng)
    x0, y0, x1, y1 = (round(edge) for edge in window)
    scene.paste(art.crop((x0, y0, x1, y1)), (x0, y0))
    draw.rectangle(window, outline=frame, width=max(1, round(tall / 120)))
    return scene


def _sketch(subject: Subject, size: Size, rng: np.random.Generator) -> Image.Image:
    """Pencil lines with hatching and a faint tint on paper."""
    paper = _mix((250, 247, 238), (215, 205, 185), rng.random())
    tint = rng.uniform(0.05, 0.22)
    palette = {tone: _mix(paper, colour, tint) for tone, colour in subject.palette.items()}
    palette["ink"] = _mix(paper, (60, 60, 60), 0.8)
    scene = Image.new("RGB", size, paper)
    layer = Image.new("L", size)
    draw, cover = ImageDraw.Draw(scene), ImageDraw.Draw(layer)
    for part in _placed(subject, (0, 0, *size)):
        draw.polygon(_corners(part.points), fill=palette[part.tone])
        cover.polygon(_corners(part.points), fill=255)
        for _ in range(2 * part.line):
            slip = rng.normal(0, max(size) / 400, (2, len(part.points)))
            corners = _corners(part.points + slip[0] + 1j * slip[1])
            grey = int(rng.integers(60, 130))
            draw.line(
                corners + corners[:2], fill=(grey, grey, grey), width=max(1, max(size) // 200)
            )
    dark_side = ImageChops.offset(layer, size[0] // 12, -size[1] // 16)
    strokes = ImageChops.multiply(ImageChops.subtract(layer, dark_side), _hatching(size))
    scene.paste((90, 90, 95), mask=strokes)
    return scene


def _hatching(size: Size) -> Image.Image:
    width, height = size
    hatching = Image.new("L", size)
    draw = ImageDraw.Draw(hatching)
    for x in range(-height, width, max(size) // 45):
        draw.line((x, height, x + height, 0), fill=190, width=max(1, max(size) // 250))
    return hatching


def _landscape(size: Size, rng: np.random.Generator) -> Image.Image:
    """Sky, hills and clutter."""
    width, height = size
    sky = hsv(rng.random(), rng.uniform(0.15, 0.6), rng.uniform(0.4, 1))
    scene = _gradient(size, sky, _pastel(rng))
    draw = ImageDraw.Draw(scene)
    across = np.linspace(0, 1, 20)
    for row in range(int(rng.integers(1, 4))):
        wave = rng.uniform(0.02, 0.08) * np.sin(rng.uniform(3, 12) * across + rng.uniform(0, 6))
        ridge = width * across + 1j * height * (rng.uniform(0.4, 0.6) + 0.13 * row + wave)
        colour = hsv(rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.9))
        draw.polygon([*_corners(ridge), width, height, 0, height], fill=colour)
    for _ in range(int(rng.integers(4, 16))):
        middle = complex(rng.uniform(0, width), rng.uniform(0, height))
        reach = rng.uniform(0.02, 0.14) * height * np.exp(1j * rng.uniform(0, 2 * np.pi))
        sides = rng.choice((3, 4, 5, 6, 30))
        thing = middle + reach * np.exp(2j * np.pi * np.arange(sides) / sides)
        colour = hsv(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.3, 1))
        draw.polygon(_corners(thing), fill=colour)
    return scene


def _busy(subject: Subject, size: Size, rng: np.random.Generator) -> Image.Image:
    """The creature out in a landscape."""
    return _posed(_landscape(size, rng), subject, (0, 0, *size), rng)


_SOURCES: tuple[Callable[[Subject, Size, np.random.Generator], Image.Image], ...] = (
    _sprite,
    _render,
    _card,
    _sketch,
    _busy,
)
_ODDS = (0.25, 0.3, 0.15, 0.1, 0.2)
