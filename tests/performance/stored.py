"""Turns a file of measurements into README's table, and into what has become slower since."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.performance.measure import Comparison, Measurement

BOUND = 0.2
"""A ratio that has fallen by more than this share of itself has become worse."""
SAME = ("device", "hardware", "cpu_cores")
"""Facts of a machine without which ratios of two reports are not comparable."""

Found = Mapping[str, Sequence[Comparison]]
"""Comparisons by case."""


class UnlikeReport(ValueError):
    """A file that is no report, or is one of another machine."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one command measured.

    Attributes:
        machine: See `tests.performance.machine.describe`.
        small: Whether the sizes were tiny.
        found: The comparisons.
    """

    machine: Mapping[str, str]
    small: bool
    found: Found

    def write(self, path: Path) -> None:
        """Write a report as JSON."""
        cases = {case: [one.as_dict() for one in some] for case, some in self.found.items()}
        told = {"machine": self.machine, "small": self.small, "cases": cases}
        path.write_text(json.dumps(told, indent=2))

    def told_worse(self, before: Report) -> list[str]:
        """Say, in a line each, which ratios have fallen by more than `BOUND` since another report.

        Raises:
            UnlikeReport: That was of another machine or of other sizes, or has no ratio of these.
        """
        for name in SAME:
            if self.machine[name] != before.machine[name]:
                raise UnlikeReport(
                    f"it is of another machine: {name} {before.machine[name]}, "
                    f"here {self.machine[name]}"
                )
        if self.small != before.small:
            raise UnlikeReport("one of both was measured with --small")
        old, new = _ratios(before.found), _ratios(self.found)
        if new and not old.keys() & new.keys():
            there = ", ".join(sorted({case for case, _, _ in old})) or "none"
            raise UnlikeReport(f"it has no ratio of what was measured here; its cases: {there}")
        return [
            f"{' / '.join(key)}: ratio {ratio:.2f}, was {old[key]:.2f}"
            for key, ratio in new.items()
            if key in old and ratio < (1 - BOUND) * old[key]
        ]

    def markdown(self) -> str:
        """The table of README: a row for each side of bench that was compared with another one."""
        facts = ", ".join(f"{name.replace('_', ' ')} {self.machine[name]}" for name in SAME)
        lines = [
            f"Medians of n on {facts}:",
            "",
            "| work | n | bench | otherwise | ratio |",
            "|:-----|--:|:------|:----------|------:|",
        ]
        for case, comparisons in self.found.items():
            for one in comparisons:
                lines += _rows(case, one)
        return "\n".join(lines)


def read_report(path: Path) -> Report:
    """Read a file that `Report.write` wrote.

    Raises:
        UnlikeReport: It is no such file.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_text())
        found = {
            case: [Comparison(**{**one, "sides": _sides(one["sides"])}) for one in some]
            for case, some in told["cases"].items()
        }
        return Report(machine=told["machine"], small=told["small"], found=found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnlikeReport(f"{path} is no report of --json") from error


def _sides(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Measurement]]:
    return {name: [Measurement(**one) for one in some] for name, some in told.items()}


def _ratios(found: Found) -> dict[tuple[str, str, str], float]:
    return {
        (case, one.work, name): statistics.median(one.ratios(name))
        for case, some in found.items()
        for one in some
        for name in one.sides
        if one.baseline is not None and name != one.baseline
    }


def _rows(case: str, one: Comparison) -> list[str]:
    if one.baseline is None:
        return []
    beside = statistics.median(one.seconds(one.baseline))
    return [
        f"| {case}: {one.work} | {len(one.sides[name])} "
        f"| {name} {statistics.median(one.seconds(name)):.3g} s "
        f"| {one.baseline} {beside:.3g} s | {statistics.median(one.ratios(name)):.2g} |"
        for name in one.sides
        if name != one.baseline and name.startswith("bench")
    ]
