"""Turns properties that show nothing of the subject into how well they tell the class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.looks import Look

SURE = 0.01
"""Of the probability to find so much by chance in any of the properties (Holm's correction)."""
_TREES = 100

PROPERTIES: Mapping[str, Callable[[Look], tuple[float, ...]]] = {
    "width": lambda look: (look.width,),
    "height": lambda look: (look.height,),
    "file size": lambda look: (look.bytes,),
    "format": lambda look: (_number(look.kind),),
    "mean colour": lambda look: look.colour,
    "border": lambda look: (*look.border, look.border_spread),
}
"""What a classifier should not live on; mean colour and border may be the subject's own."""


def _number(kind: str) -> float:
    """A number for each file format."""
    return float(int.from_bytes(kind.encode()[:6], "big"))


def find_shortcuts(
    looks: Sequence[Look], labels: NDArray[np.int64], trained: NDArray[np.bool_], seed: int
) -> pd.DataFrame:
    """Try to tell the class of held-out images by one property alone, with a small forest.

    Args:
        looks: Of each image.
        labels: (N,).
        trained: (N,) whether the forest is fitted to an image; on the others it is tested.
        seed: Of the forest.

    Returns:
        A row a property, the most telling first: ``property``, ``accuracy`` on ``images`` held-out
        ones, ``accuracy_low`` and ``accuracy_high`` (95% interval), ``chance`` (the share of the
        commonest class), ``p`` (exact binomial test, one-sided, Holm's correction) and ``tells``.
    """
    from scipy.stats import binomtest
    from sklearn.ensemble import RandomForestClassifier
    from statsmodels.stats.multitest import multipletests

    tested = labels[~trained]
    chance = float(np.bincount(tested).max() / len(tested))
    rows = []
    for name, read in PROPERTIES.items():
        values = np.array([read(look) for look in looks], dtype=np.float64)
        forest = RandomForestClassifier(
            _TREES, min_samples_leaf=3, max_depth=12, random_state=seed, n_jobs=-1
        )
        right = forest.fit(values[trained], labels[trained]).predict(values[~trained]) == tested
        test = binomtest(int(right.sum()), len(tested), min(chance, 1.0), alternative="greater")
        low, high = binomtest(int(right.sum()), len(tested)).proportion_ci(method="wilson")
        rows.append(
            {
                "property": name,
                "accuracy": float(right.mean()),
                "accuracy_low": float(low),
                "accuracy_high": float(high),
                "chance_share": chance,
                "images": len(tested),
                "p": float(test.pvalue),
            }
        )
    table = pd.DataFrame(rows)
    table["p"] = multipletests(table["p"], method="holm")[1]
    table["tells_the_class"] = np.where(table["p"] < SURE, "yes", "no")
    return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)
