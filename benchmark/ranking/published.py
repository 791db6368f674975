"""Turns measured accuracies into how they stand to what the study published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.study.presets import study
from benchmark.study.suite import STUDY_CLASSES, STUDY_IMAGES, STUDY_TEST_IMAGES

AGREES, ABOVE, BELOW, OTHER = "agrees", "above", "below", "not comparable"
_COLUMNS = ("study_difference", "study_difference_low", "study_difference_high")


def beside_study(table: pd.DataFrame) -> pd.DataFrame:
    """Compare rows with the study's, where its accuracies stand beside.

    Args:
        table: With ``test_accuracy``, ``test_images``, ``study_accuracy`` and what `_departures`
            reads.

    Returns:
        The table with ``study_difference`` (measured less published, a share of one), the bounds of
        its 95% interval of two independent samples, not corrected for the number of rows and with
        an assumed number of the study's test images, and ``study_verdict`` by that: `AGREES`,
        `ABOVE`, `BELOW`, or `OTHER` with what is other.
    """
    from benchmark.ranking.statistics import newcombe_interval

    rows: list[tuple[float | None, float | None, float | None, str]] = []
    for row in table.to_dict("records"):
        share, published, images = (
            row[name] for name in ("test_accuracy", "study_accuracy", "test_images")
        )
        if any(pd.isna(value) for value in (share, published, images)):
            rows.append((None, None, None, ""))
            continue
        low, high = newcombe_interval(share, int(images), published, STUDY_TEST_IMAGES)
        verdict = ABOVE if low > 0 else BELOW if high < 0 else AGREES
        if other := _departures(row):
            verdict = f"{OTHER}: other {', '.join(other)}"
        rows.append((share - published, low, high, verdict))
    found = pd.DataFrame(rows, columns=[*_COLUMNS, "study_verdict"], index=table.index)
    return table.join(found.astype(dict.fromkeys(_COLUMNS, float)))


def _departures(row: Mapping[Any, Any]) -> list[str]:
    """In what a run differs from the study's so much that their accuracies should, too."""
    published = study()
    differs = {
        "data": row["classes"] != STUDY_CLASSES or row["images"] < STUDY_IMAGES,
        "size": row["image_size_px"] != published.data.size,
        "weights": row["weights"] not in ("none", published.weights),
        "settings": row["preset"] not in ("", "study") or row["epochs"] != published.train.epochs,
    }
    return [name for name, other in differs.items() if bool(other)]
