"""Turns numbers into the words and the small drawings that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

BAR_WIDTH = 10
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def percent(value: float) -> str:
    """0.4213 -> 42.13%."""
    return f"{value:.2%}"


def points(value: float) -> str:
    """0.0213 -> +2.13 points."""
    return f"{100 * value:+.2f} points"


def interval(low: float, high: float) -> str:
    """0.857, 0.9283 -> ``85.7–92.8%``."""
    return f"{100 * low:.1f}–{100 * high:.1f}%"


def duration(seconds: float) -> str:
    """Seconds -> ``0.4 s``, ``38 s``, ``4 min 10 s`` or ``2 h 05 min``."""
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def count(value: float) -> str:
    """Shorten a count as the study does: ``29.6M``, ``704K``."""
    rounded = float(f"{value:.3g}")
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if rounded >= unit:
            return f"{rounded / unit:.4g}{name}"
    return f"{value:.0f}"


def plain(value: Any) -> str:
    """Write 6783.2 as 6,783 and 0.123456 as 0.1235; anything that is no float as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.4g}"


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "accuracy": percent,
    "share": percent,
    "gain": points,
    "difference": points,
    "standard_error": points,
    "seconds": duration,
    "parameters": count,
    "params_": count,
    "flops": count,
}
"""How the table and Markdown write columns whose names hold this; CSV and JSON keep numbers."""


def bar(share: float) -> str:
    """Draw a share of one as a bar of `BAR_WIDTH`: 0.53 -> ``█████▎``."""
    full, eighths = divmod(round(share * BAR_WIDTH * 8), 8)
    return "█" * full + _EIGHTHS[eighths].strip()


def sparkline(values: Sequence[float]) -> str:
    """Draw a curve between its lowest and highest value: [0.1, 0.2, 0.5] -> ``▁▃█``."""
    low, high = min(values), max(values)
    scale = (len(_LEVELS) - 1) / (high - low or 1)
    return "".join(_LEVELS[round((value - low) * scale)] for value in values)
