"""Turns training histories into small charts, each network before all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from benchmark.report.collect import RankedSystem

WIDTH, HEIGHT = 280, 130
_LEFT, _RIGHT, _UPPER, _LOWER = 34, 8, 8, 20


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the charts of one measure share.

    Attributes:
        measure: ``accuracy`` or ``loss``.
        epochs: The most that any network trained.
        top: Upper end of the scale.
        cut: Whether some values are above it.
    """

    measure: str
    epochs: int
    top: float
    cut: bool

    def path(self, values: Sequence[float]) -> str:
        """Line through the values of epochs 1, 2, …; what is above the scale is cut off."""
        points = [
            f"{self.x(epoch):.1f} {self.y(value):.1f}"
            for epoch, value in enumerate(values, start=1)
            if math.isfinite(value)
        ]
        return f"M{'L'.join(points)}" if points else ""

    def x(self, epoch: int) -> float:
        """Place of an epoch, from 1."""
        return _LEFT + (epoch - 1) / max(1, self.epochs - 1) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Place of a value."""
        return HEIGHT - _LOWER - min(value / self.top, 1.02) * (HEIGHT - _UPPER - _LOWER)


def panels(systems: Sequence[RankedSystem], classes: int) -> list[Panel]:
    """Scale the charts: accuracy to 100%, loss to the largest or twice that of guessing."""
    trained = [system.curves for system in systems if system.curves]
    epochs = max((len(values) for curves in trained for values in curves.values()), default=0)
    losses = [
        value
        for curves in trained
        for name, values in curves.items()
        if name.endswith("_loss")
        for value in values
        if math.isfinite(value)
    ]
    highest = max(losses, default=1.0)
    top = min(highest, 2 * math.log(classes))
    return [
        Panel(measure="accuracy", epochs=epochs, top=1.0, cut=False),
        Panel(measure="loss", epochs=epochs, top=top, cut=highest > top),
    ]


def _ticks(top: float) -> list[float]:
    """At most six round numbers from 0 to the top: steps of 1, 2 or 5 in some power of ten."""
    power = 10 ** math.floor(math.log10(top))
    step = next(step for step in (power / 5, power / 2, power, 2 * power) if top / step < 6)
    return [place * step for place in range(int(top / step) + 1)]


def background(panel: Panel, systems: Sequence[RankedSystem]) -> Markup:
    """Draw axes and every network's validation curve once; `chart` refers to it."""
    lines = Markup("").join(
        Markup('<path d="{}"/>').format(panel.path(system.curves[f"val_{panel.measure}"]))
        for system in systems
        if system.curves
    )
    ticks = (0, 0.5, 1) if panel.measure == "accuracy" else _ticks(panel.top)
    grid = Markup("").join(
        Markup(
            '<path class="grid" d="M{} {:.1f}H{}"/><text class="tick end" x="{}" y="{:.1f}">{}'
            "</text>"
        ).format(
            _LEFT,
            panel.y(tick),
            WIDTH - _RIGHT,
            _LEFT - 5,
            panel.y(tick) + 4,
            f"{tick:.0%}" if panel.measure == "accuracy" else f"{tick:g}",
        )
        for tick in ticks
    )
    every = max(1, math.ceil(panel.epochs / 6))
    shown = range(1, panel.epochs + 1, every)
    numbers = Markup("").join(
        Markup('<text class="tick mid" x="{:.1f}" y="{}">{}</text>').format(
            panel.x(epoch), HEIGHT - 5, epoch
        )
        for epoch in shown
    )
    return Markup('<g id="all-{}">{}{}<g class="others">{}</g></g>').format(
        panel.measure, grid, numbers, lines
    )


def chart(panel: Panel, system: RankedSystem) -> Markup:
    """Draw one network's train and validation curves, its best epoch, and the end of freezing."""
    train, val = (system.curves[f"{split}_{panel.measure}"] for split in ("train", "val"))
    best = int(system.row["best_epoch"])
    marks = Markup("")
    if system.unfrozen and system.unfrozen <= len(val):
        marks = Markup('<path class="unfrozen" d="M{0:.1f} {1}V{2}"/>').format(
            panel.x(system.unfrozen), _UPPER, HEIGHT - _LOWER
        )
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><use href="#all-{}"/>{}'
        '<path class="train" d="{}"/><path class="val" d="{}"/>'
        '<circle class="best" cx="{:.1f}" cy="{:.1f}" r="4"/></svg>'
    ).format(
        WIDTH,
        HEIGHT,
        _words(panel, train, val),
        panel.measure,
        marks,
        panel.path(train),
        panel.path(val),
        panel.x(best),
        panel.y(val[best - 1]),
    )


def _words(panel: Panel, train: Sequence[float], val: Sequence[float]) -> str:
    write = "{:.1%}".format if panel.measure == "accuracy" else "{:.2f}".format
    return (
        f"{panel.measure} in {len(val)} epochs: train {write(train[0])} to {write(train[-1])}, "
        f"validation {write(val[0])} to {write(val[-1])}"
    )
