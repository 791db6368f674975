"""Turns a classifier's probabilities of a picture into what people want to know of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.classifier.calibration import LEVEL, Calibration
from registry.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of one picture.

    Attributes:
        ranking: Classes and their probabilities, the most probable first.
        p_value: How often a picture like those trained on is at least as strange; None if the run
            stored nothing of its val images.
        unknown: Whether that is no more than the level: it resembles nothing trained on; None if
            there were too few val images to tell.
        possible: The prediction set, the most probable class first: of pictures like those trained
            on it misses the true class for at most about a share of the level.
    """

    ranking: list[tuple[str, float]]
    p_value: float | None
    unknown: bool | None
    possible: list[str] | None

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.ranking[0][0]

    @property
    def probability(self) -> float:
        """Of the most probable class."""
        return self.ranking[0][1]

    @property
    def margin(self) -> float:
        """By how much that is more than the second's."""
        return self.probability - (self.ranking[1][1] if len(self.ranking) > 1 else 0.0)

    def row(self, top: int) -> dict[str, Any]:
        """What a registered model answers, with so many of the classes."""
        return {
            "label": self.label,
            "probability": self.probability,
            "margin": self.margin,
            "p_value": self.p_value,
            "unknown": self.unknown,
            "labels": [label for label, _ in self.ranking[:top]],
            "probabilities": [share for _, share in self.ranking[:top]],
        }


def judge(
    probabilities: NDArray[np.float32],
    class_names: Sequence[str],
    calibration: Calibration | None,
    level: float = LEVEL,
) -> Verdict:
    """Judge a picture.

    Args:
        probabilities: (C,).
        class_names: In their order.
        calibration: Of the classifier; None if its run stored nothing of its val images.
        level: In (0, 1); see `Verdict`.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranking = [(class_names[place], float(probabilities[place])) for place in order]
    if calibration is None:
        return Verdict(ranking=ranking, p_value=None, unknown=None, possible=None)
    row = probabilities[None]
    p_value = float(calibration.p_values(row)[0])
    among = calibration.sets(row, level)[0]
    return Verdict(
        ranking=ranking,
        p_value=p_value,
        unknown=p_value <= level if calibration.tells(level) else None,
        possible=[class_names[place] for place in order if among[place]],
    )


def untold(calibration: Calibration | None, level: float) -> list[str]:
    """Say why no picture can be called unknown at a level; nothing where some can."""
    if calibration is None:
        return ["No picture is called unknown: its run kept nothing of its val images"]
    if calibration.tells(level):
        return []
    return [f"No picture is called unknown: {_lack(calibration, level)}"]


def check_level(calibration: Calibration | None, level: float | None) -> float:
    """Make sure that there were enough val images for a level; None gives the default.

    Raises:
        UserError: There were too few.
    """
    if level is None:
        return LEVEL
    if calibration is not None and not calibration.tells(level):
        raise UserError(_lack(calibration, level))
    return level


def _lack(calibration: Calibration, level: float) -> str:
    images = len(calibration.strangeness)
    least = Context(prec=2, rounding=ROUND_CEILING).divide(Decimal(1), Decimal(images + 1))
    wanted = math.ceil(min(1 / level, 1e12)) - 1  # a level may be as small as 5e-324
    return (
        f"--level {level:g} takes at least {wanted:,} val images, and the classifier "
        f"was chosen on {images:,}; write --level {float(least):g} or more"
    )
