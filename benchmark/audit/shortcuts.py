"""Turns properties that show nothing of the subject into how well they tell the class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.grouping import Examined
from benchmark.data.looks import Look
from benchmark.data.prepared import PreparedData
from benchmark.data.remembered import remembered

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

SURE = 0.01
"""Of the probability to find so much by chance in any of the properties (Holm's correction)."""
_TREES, _LEAVES = 100, 256
"""Each leaf holds a number for each class."""
_MOST = 20_000
"""Of more images, so many are taken: they show what tells the class, and fit in seconds."""

PROPERTIES: Mapping[str, Callable[[Look], tuple[float, ...]]] = {
    "width": lambda look: (look.width,),
    "height": lambda look: (look.height,),
    "file size": lambda look: (look.bytes,),
    "format": lambda look: (_number(look.kind),),
    "mean colour": lambda look: look.colour,
    "border": lambda look: (*look.border, look.border_spread),
}
"""What a classifier should not live on; mean colour and border may be the subject's own."""


FRAMING = ("width", "height", "file size", "format")
"""Those of them that cannot be the subject's own."""


_COLUMNS = [
    *("property", "accuracy", "accuracy_low", "accuracy_high"),
    *("chance_share", "images", "p", "tells_the_class"),
]


def _number(kind: str) -> float:
    """A number for each file format."""
    return float(int.from_bytes(kind.encode()[:6], "big"))


def find_shortcuts(
    looks: Sequence[Look | None],
    labels: NDArray[np.int64],
    trained: NDArray[np.bool_],
    seed: int,
    properties: Iterable[str] = tuple(PROPERTIES),
    groups: Sequence[str] = (),
) -> pd.DataFrame:
    """Try to tell the class of held-out images by one property alone, with a small forest.

    Args:
        looks: Of each image; None are left out.
        labels: (N,).
        trained: (N,) whether the forest is fitted to an image; on the others it is tested.
        seed: Of the forest, and of which images are taken of more than `_MOST`.
        properties: Which of `PROPERTIES`.
        groups: (N,) the same for copies of an image, of which one is taken; empty if none are.

    Returns:
        A row a property, the most telling first: ``property``, ``accuracy`` on ``images`` held-out
        ones, ``accuracy_low`` and ``accuracy_high`` (95% interval), ``chance_share`` (of the
        commonest class), ``p`` (exact binomial test, one-sided, Holm's correction) and
        ``tells_the_class``; none if there is nothing to fit the forest to, or to test it on.
    """
    from statsmodels.stats.multitest import multipletests

    taken = _taken(looks, groups, seed)
    known = [look for row in taken if (look := looks[row])]
    labels, trained = labels[taken], trained[taken]
    tested = labels[~trained]
    if not 0 < len(tested) < len(labels):
        return pd.DataFrame(columns=_COLUMNS)
    chance = float(np.bincount(tested).max() / len(tested))
    rows = []
    for name in properties:
        values = np.array([PROPERTIES[name](look) for look in known], dtype=np.float64)
        forest = _forest(seed).fit(values[trained], labels[trained])
        right = int((forest.predict(values[~trained]) == tested).sum())
        rows.append({"property": name, **_compared(right, len(tested), chance)})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["p"] = multipletests(table["p"], method="holm")[1]
    table["tells_the_class"] = np.where(table["p"] < SURE, "yes", "no")
    return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def _taken(looks: Sequence[Look | None], groups: Sequence[str], seed: int) -> list[int]:
    """Rows of images that were seen, one of each group, and at most `_MOST`; ascending."""
    first = np.sort(np.unique(groups, return_index=True)[1]) if groups else range(len(looks))
    taken = [int(row) for row in first if looks[row]]
    if len(taken) <= _MOST:
        return taken
    chosen = np.random.default_rng(seed).choice(taken, _MOST, replace=False)
    return [int(row) for row in np.sort(chosen)]


def _forest(seed: int) -> RandomForestClassifier:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        _TREES,
        min_samples_leaf=3,
        max_depth=12,
        max_leaf_nodes=_LEAVES,
        random_state=seed,
        n_jobs=-1,
    )


def _compared(right: int, images: int, chance: float) -> dict[str, float]:
    """The accuracy of so many right answers, with its interval, and p against chance."""
    from scipy.stats import binomtest

    low, high = binomtest(right, images).proportion_ci(method="wilson")
    test = binomtest(right, images, min(chance, 1.0), alternative="greater")
    return {
        "accuracy": right / images,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "chance_share": chance,
        "images": images,
        "p": float(test.pvalue),
    }


def shortcut_warnings(data: PreparedData, examined: Examined, home: Path) -> list[str]:
    """Say in a line what of a file tells its class, found out once for the same images and parts.

    Args:
        data: The images.
        examined: What was seen of them, and of others.
        home: Folder where it is kept.
    """
    question = (data.spec.content, data.splits.tolist(), FRAMING, SURE)
    told = remembered(home, "shortcuts", question, lambda: list(_told(data, examined)))
    ending = " of the images not trained on; see bench data DIR --audit"
    return [f"shortcut: {'; '.join(told)}{ending}"] if told else []


def _told(data: PreparedData, examined: Examined) -> Iterator[str]:
    by_name = examined.by_name
    looks = [by_name.get(sample.name) for sample in data.samples]
    varied = [
        name for name in FRAMING if len({PROPERTIES[name](look) for look in looks if look}) > 1
    ]
    if not varied:
        return
    trained = data.splits == "train"
    table = find_shortcuts(looks, data.labels, trained, data.spec.seed, varied, data.groups)
    for row in table[table["tells_the_class"] == "yes"].itertuples():
        yield (
            f"{row.property} alone tells the class of {row.accuracy:.1%} "
            f"(chance {row.chance_share:.1%})"
        )
