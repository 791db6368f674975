"""Turns points and their texts into places for the texts where nothing overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHARACTER = 0.64
"""Mean width of a bold character of a wide sans-serif font, in font sizes."""
_GAP = 4.0
_STEPS = 24


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle, y down."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether they share an area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def inside(self, other: Box) -> bool:
        """Whether no part of it is outside the other."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A point with the text that belongs to it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Label:
    """Where a text stands.

    Attributes:
        box: The area that it takes.
        left_of_point: Whether it ends at its point rather than beginning there.
        apart: Whether it is so far off that a line must lead to its point.
    """

    box: Box
    left_of_point: bool
    apart: bool


def place(spots: Sequence[Spot], *, font: float, radius: float, bounds: Box) -> list[Label | None]:
    """Place each text as near to its point as the others allow, the upper ones first.

    Args:
        spots: The points.
        font: Size of the texts.
        radius: Of the points, which no text covers.
        bounds: No text leaves them.

    Returns:
        A place for each text; None where there is no room.
    """
    taken = [
        Box(
            left=spot.x - radius, top=spot.y - radius, right=spot.x + radius, bottom=spot.y + radius
        )
        for spot in spots
    ]
    labels: list[Label | None] = [None] * len(spots)
    for i in sorted(range(len(spots)), key=lambda i: (spots[i].y, -spots[i].x)):
        for label in _candidates(spots[i], font, radius):
            if label.box.inside(bounds) and not any(map(label.box.overlaps, taken)):
                labels[i] = label
                taken.append(label.box)
                break
    return labels


def _candidates(spot: Spot, font: float, radius: float) -> Iterator[Label]:
    """Beside the point first, then line by line further off."""
    width, height = CHARACTER * font * len(spot.text), 1.15 * font
    for step in range(_STEPS):
        for lines in (step / 2, -step / 2) if step else (0.0,):
            apart = abs(lines) >= 1
            gap = radius + _GAP * (2 if apart else 1)
            top = spot.y + lines * height - height / 2
            for left_of_point in (False, True):
                left = spot.x - gap - width if left_of_point else spot.x + gap
                box = Box(left=left, top=top, right=left + width, bottom=top + height)
                yield Label(box=box, left_of_point=left_of_point, apart=apart)
