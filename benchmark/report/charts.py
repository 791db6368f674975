"""Turns figures into inline SVG, coloured by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from benchmark.report.labels import Box, Label, Spot, place

BAR = 140
"""Width of an accuracy bar in pixels."""
RANKS = 80
"""Width of the line of ranks in pixels."""
TIMES: dict[float, str] = {
    **{seconds: f"{seconds:g} s" for seconds in (0.1, 0.3, 1, 3, 10, 30)},
    **{60 * minutes: f"{minutes} min" for minutes in (1, 3, 10, 30)},
    **{3600 * hours: f"{hours} h" for hours in (1, 3, 10, 30, 100)},
}
"""Round times by their seconds."""
_RADIUS = 5.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A system in a scatter chart.

    Attributes:
        x: What it costs, positive.
        y: Its test accuracy.
        interval: The bounds of that.
        label: Its text.
        title: What a pointer over it shows.
        group: Name of its style.
        hollow: Whether only its outline is drawn: heads.
        system: Its rank, by which the page highlights it.
    """

    x: float
    y: float
    interval: tuple[float, float]
    label: str
    title: str
    group: str
    hollow: bool
    system: int


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What a scatter chart sets accuracy against.

    Attributes:
        title: Below the axis.
        write: How a number of it is written.
        ticks: What may stand where; None for powers of ten.
    """

    title: str
    write: Callable[[float], str]
    ticks: Mapping[float, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The area of a chart and its scales: x logarithmic, y from zero."""

    width: float
    height: float
    low: float
    high: float
    top: float

    left = 40.0
    right = 10.0
    upper = 10.0
    lower = 40.0

    def x(self, value: float) -> float:
        """Place of a cost."""
        share = math.log10(value / self.low) / math.log10(self.high / self.low)
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Place of an accuracy."""
        return self.height - self.lower - value / self.top * (self.height - self.upper - self.lower)

    @property
    def box(self) -> Box:
        """Where marks and texts may be."""
        return Box(
            left=self.left + 2,
            top=self.upper,
            right=self.width - 2,
            bottom=self.height - self.lower - 2,
        )


def accuracy_bar(share: float, interval: tuple[float, float], study: float | None) -> Markup:
    """Draw an accuracy as a bar from 0 to 100% with its interval, and the study's as a tick."""
    whisker, tick = Markup(""), Markup("")
    if not math.isnan(interval[0]):
        low, high = (BAR * bound for bound in interval)
        whisker = Markup(
            '<path class="interval" d="M{0:.1f} 9H{1:.1f}M{0:.1f} 5.5v7M{1:.1f} 5.5v7"/>'
        ).format(low, high)
    if study is not None and not math.isnan(study):
        tick = Markup('<path class="study" d="M{0:.1f} 1v16"/>').format(BAR * study)
    return Markup(
        '<svg class="bar" width="{width}" height="18" viewBox="0 0 {width} 18" '
        'preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="5" width="{width}" height="8" rx="2"/>'
        '<rect class="value" y="5" width="{value:.1f}" height="8" rx="2"/>'
        "{whisker}{tick}</svg>"
    ).format(width=BAR, value=BAR * share, whisker=whisker, tick=tick)


def rank_line(low: int, high: int, count: int) -> Markup:
    """Draw the interval of a rank on the places from 1 to the number of systems."""
    step = RANKS / count
    return Markup(
        '<svg class="bar" width="{0}" height="18" viewBox="0 0 {0} 18" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="track" y="7" width="{0}" height="4" rx="2"/>'
        '<rect class="rank" x="{1:.1f}" y="5" width="{2:.1f}" height="8" rx="2"/></svg>'
    ).format(RANKS, step * (low - 1), step * (high - low + 1))


def pareto(marks: Iterable[Mark]) -> list[Mark]:
    """Keep the marks that no other beats in cost or accuracy without losing in the other.

    Returns:
        The cheapest first.
    """
    marks = list(marks)
    best = [
        one
        for one in marks
        if not any(
            other.x <= one.x and other.y >= one.y and (other.x < one.x or other.y > one.y)
            for other in marks
        )
    ]
    return sorted(best, key=lambda mark: mark.x)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two bounds: powers of ten, with 2 and 5 between few of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def scatter(marks: Sequence[Mark], size: tuple[int, int], axis: Axis) -> Markup:
    """Draw accuracy against cost, the Pareto front as a line.

    Args:
        marks: At least one.
        size: Width and height in pixels.
        axis: The x axis.
    """
    costs = [mark.x for mark in marks]
    frame = Frame(
        width=size[0],
        height=size[1],
        low=min(costs) / 1.6,
        high=max(costs) * 1.6,
        top=min(1.0, (math.floor(max(_top(mark) for mark in marks) * 10) + 1) / 10),
    )
    front = pareto(marks)
    labels = place(
        [Spot(x=frame.x(mark.x), y=frame.y(mark.y), text=mark.label) for mark in marks],
        font=11,
        radius=_RADIUS + 1,
        bounds=frame.box,
    )
    drawn = Markup("").join(
        _mark(mark, label, frame, mark in front) for mark, label in zip(marks, labels, strict=True)
    )
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        *size,
        f"Test accuracy against {axis.title.lower()}",
        _axes(frame, axis),
        _front(front, frame),
        drawn,
    )


def _top(mark: Mark) -> float:
    """The highest that is drawn of a mark."""
    return mark.y if math.isnan(mark.interval[1]) else mark.interval[1]


def _axes(frame: Frame, axis: Axis) -> Markup:
    bottom, right = frame.height - frame.lower, frame.width - frame.right
    parts = []
    step = 0.1 if frame.top <= 0.5 else 0.2
    for i in range(int(frame.top / step + 1e-9) + 1):
        y = frame.y(i * step)
        parts.append(
            Markup(
                '<path class="grid" d="M{:.0f} {:.1f}H{:.0f}"/><text x="{:.0f}" y="{:.1f}" '
                'class="tick end">{:.0%}</text>'
            ).format(frame.left, y, right, frame.left - 6, y + 4, i * step)
        )
    ticks = axis.ticks or {tick: axis.write(tick) for tick in log_ticks(frame.low, frame.high)}
    for tick, text in ticks.items():
        if not frame.low <= tick <= frame.high:
            continue
        parts.append(
            Markup(
                '<path class="grid" d="M{0:.1f} {1:.0f}V{2:.0f}"/><text x="{0:.1f}" y="{3:.0f}" '
                'class="tick mid">{4}</text>'
            ).format(frame.x(tick), frame.upper, bottom, bottom + 16, text)
        )
    middle = (frame.left + right) / 2
    parts.append(
        Markup('<text class="axis mid" x="{:.0f}" y="{:.0f}">{}</text>').format(
            middle, frame.height - 6, axis.title
        )
    )
    return Markup("").join(parts)


def _front(front: Sequence[Mark], frame: Frame) -> Markup:
    """A staircase: what accuracy can be had for at most so much."""
    path = f"M{frame.x(front[0].x):.1f} {frame.y(front[0].y):.1f}"
    for mark in front[1:]:
        path += f"H{frame.x(mark.x):.1f}V{frame.y(mark.y):.1f}"
    return Markup('<path class="front" d="{}H{:.0f}"/>').format(path, frame.width - frame.right)


def _mark(mark: Mark, label: Label | None, frame: Frame, on_front: bool) -> Markup:
    x, y = frame.x(mark.x), frame.y(mark.y)
    text = Markup("")
    if label is not None:
        end = label.box.right if label.left_of_point else label.box.left
        baseline = label.box.bottom - 3
        leader = Markup("")
        if label.apart:
            leader = Markup('<path class="leader" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(
                x, y, end + (2 if label.left_of_point else -2), baseline - 4
            )
        text = Markup('{}<text class="label{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
            leader, " end" if label.left_of_point else "", end, baseline, mark.label
        )
    whisker = Markup("")
    if not math.isnan(mark.interval[0]):
        low, high = map(frame.y, mark.interval)
        whisker = Markup('<path class="whisker" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x, low, high)
    return Markup(
        '<g class="{}{}{}" data-system="{}"><title>{}</title>{}{}<path d="{}"/></g>'
    ).format(
        mark.group,
        " hollow" if mark.hollow else "",
        " best" if on_front else "",
        mark.system,
        mark.title,
        whisker,
        text,
        symbol(mark.group, x, y),
    )


def symbol(group: str, x: float = 8, y: float = 8) -> str:
    """Path of a group's symbol: groups differ by shape, not by colour alone."""
    r = _RADIUS
    if group == "g2":
        return (
            f"M{x - r + 0.5:.1f} {y - r + 0.5:.1f}h{2 * r - 1:.1f}v{2 * r - 1:.1f}h{1 - 2 * r:.1f}z"
        )
    if group == "g3":
        return f"M{x:.1f} {y - r - 0.5:.1f}l{r + 0.5:.1f} {2 * r - 0.5:.1f}h{-2 * r - 1:.1f}z"
    if group == "g4":
        return f"M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z"
    return f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 1 {2 * r} 0a{r} {r} 0 1 1 {-2 * r} 0"


def distribution(counts: Sequence[Sequence[int]], title: str) -> Markup:
    """Draw stacked bars without texts, to be stretched to any width.

    Args:
        counts: A row a bar; in it, the heights of its parts from below.
        title: Says the same in words.
    """
    height = max(sum(row) for row in counts)
    paths = []
    for part in range(len(counts[0])):
        path = "".join(
            f"M{i + 0.1:g} {height - sum(row[: part + 1])}h.8v{row[part]}h-.8z"
            for i, row in enumerate(counts)
        )
        paths.append(Markup('<path class="part{}" d="{}"/>').format(part, path))
    return Markup(
        '<svg class="distribution" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(len(counts), height, title, Markup("").join(paths))
