"""Charts: the front is the front, marks are where their numbers are, and texts do not overlap."""

from __future__ import annotations

import random
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from benchmark.report.charts import (
    BAR,
    Axis,
    Mark,
    accuracy_bar,
    distribution,
    log_ticks,
    pareto,
    scatter,
)
from benchmark.report.curves import _ticks
from benchmark.report.labels import Box, Spot, place
from benchmark.terminal.numbers import count

BOUNDS = Box(left=0, top=0, right=700, bottom=400)


def mark(x: float, y: float, label: str = "one") -> Mark:
    return Mark(
        x=x,
        y=y,
        interval=(y - 0.05, y + 0.05),
        label=label,
        title=label,
        group="g1",
        hollow=False,
        system=1,
    )


def test_the_front_holds_what_nothing_beats() -> None:
    cheap, good, best = mark(1, 0.2), mark(10, 0.5), mark(100, 0.9)
    worse, dear = mark(10, 0.4), mark(1000, 0.9)
    assert pareto([best, worse, cheap, dear, good]) == [cheap, good, best]


def test_equals_share_the_front() -> None:
    assert len(pareto([mark(1, 0.5), mark(1, 0.5)])) == 2


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1e6, 2e8, [1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8]), (50, 3e6, [100, 1e3, 1e4, 1e5, 1e6])],
)
def test_ticks_are_round_and_few(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("points", [15, 30])
def test_texts_cover_neither_each_other_nor_points(points: int) -> None:
    rng = random.Random(0)
    spots = [
        Spot(x=rng.gauss(350, 60), y=rng.gauss(200, 40), text=f"resnet18-staged/{i}")
        for i in range(points)
    ]
    spots += [Spot(x=690, y=395, text="in a corner"), Spot(x=690, y=395, text="on the same place")]
    labels = place(spots, font=11, radius=6, bounds=BOUNDS)
    placed = [label for label in labels if label is not None]
    assert len(placed) == len(spots)
    boxes = [label.box for label in placed]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.inside(BOUNDS) for box in boxes)
    for spot in spots:
        point = Box(left=spot.x - 5, top=spot.y - 5, right=spot.x + 5, bottom=spot.y + 5)
        assert not any(point.overlaps(box) for box in boxes)


def test_a_text_stands_beside_its_point_where_there_is_room() -> None:
    (label,) = place([Spot(x=50, y=50, text="free")], font=11, radius=6, bounds=BOUNDS)
    assert label is not None
    assert not label.apart
    assert label.box.left - 50 == pytest.approx(10)
    assert (label.box.top + label.box.bottom) / 2 == pytest.approx(50)


def test_a_text_without_room_is_left_out() -> None:
    narrow = Box(left=0, top=0, right=30, bottom=30)
    assert place([Spot(x=15, y=15, text="too long")], font=11, radius=6, bounds=narrow) == [None]


def test_a_bar_is_as_long_as_the_accuracy_and_tells_the_studys() -> None:
    drawn = ElementTree.fromstring(accuracy_bar(0.25, (0.1, 0.5), 0.75))
    (value,) = (one for one in drawn if one.get("class") == "value")
    assert float(value.get("width", "")) == pytest.approx(0.25 * BAR)
    (interval,) = (one for one in drawn if one.get("class") == "interval")
    ends = [float(number) for number in re.findall(r"[MH]([\d.]+)", interval.get("d", ""))[:2]]
    assert ends == pytest.approx([0.1 * BAR, 0.5 * BAR])
    (study,) = (one for one in drawn if one.get("class") == "study")
    assert study.get("d", "").startswith(f"M{0.75 * BAR:.1f} ")
    assert 'class="study"' not in accuracy_bar(0.25, (0.1, 0.5), float("nan"))


def test_a_scatter_is_well_formed_and_escapes_names() -> None:
    marks = [mark(1e6, 0.2, "<b>&"), mark(1e8, 0.95, "plain")]
    drawn = ElementTree.fromstring(scatter(marks, (700, 400), Axis(title="cost", write=count)))
    texts = ["".join(one.itertext()) for one in drawn.iter() if one.tag == "text"]
    assert {"<b>&", "plain", "1M", "10M", "100M", "0%", "80%"} <= set(texts)
    best = [one for one in drawn.iter("g") if "best" in one.get("class", "").split()]
    assert len(best) == 2  # one is cheaper, the other better


def test_a_distribution_stacks_parts() -> None:
    drawn = ElementTree.fromstring(distribution([[3, 1], [1, 1]], "counts"))
    assert drawn.get("viewBox") == "0 0 2 4"
    assert [path.get("d") for path in drawn] == [
        "M0.1 1h.8v3h-.8zM1.1 3h.8v1h-.8z",
        "M0.1 0h.8v1h-.8zM1.1 2h.8v1h-.8z",
    ]


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (0.69, [0, 0.2, 0.4, 0.6]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (4.6, [0, 1, 2, 3, 4]),
        (10.0, [0, 2, 4, 6, 8, 10]),
        (14.9, [0, 5, 10]),
    ],
)
def test_a_loss_has_some_round_ticks_however_low_it_is(top: float, ticks: list[float]) -> None:
    assert _ticks(top) == pytest.approx(ticks)
