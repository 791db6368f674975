"""Turns ranked systems into what a careful colleague would say of them, line by line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.ranking.recommendation import title_of
from benchmark.ranking.systems import TIED, Ranking, Row
from benchmark.study.suite import BACKBONES
from benchmark.tracking.reader import read_curves, read_params
from benchmark.tracking.store import Store
from registry.printable import listed

CURVES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
_NORM = "gradient_norm"
"""A curve that frozen networks lack."""
SOON = 5
"""After so few epochs, a network that has learnt nothing may yet begin to."""
FLAT = 0.03
"""A train loss that falls by no more than this share has stayed flat."""
ROSE = 1.25
"""A loss that ends so many times as high as its lowest has risen."""
DEAD = 1e-6
"""A backbone's gradient that is no longer than this moves no weight."""
GAP = 0.25
"""By so much train accuracy exceeds that of val in a network that has overfitted."""

Curves = Mapping[str, list[float]]
"""By metric, its values by epoch."""


def network_curves(ranking: Ranking, store: Store) -> dict[str, Curves]:
    """Read the curves of the networks of a ranking; of repeats, of the best.

    Returns:
        By run id `CURVES`, and ``gradient_norm`` where it is; nothing of a run that lacks
        one of `CURVES`.
    """
    networks = [row["run_id"] for row in ranking.rows() if not row["head"]]
    found: dict[str, dict[str, list[float]]] = {}
    points = read_curves(store, networks, (*CURVES, _NORM))
    for (run_id, name), own in points.groupby(["run_id", "name"], sort=False):
        found.setdefault(str(run_id), {})[str(name)] = own["value"].tolist()
    return {run_id: own for run_id, own in found.items() if own.keys() >= {*CURVES}}


def remarks(ranking: Ranking, curves: Mapping[str, Curves], store: Store) -> list[str]:
    """Say which rows learnt nothing and why, which trained too little or too long, and the like.

    Args:
        ranking: The rows.
        curves: As `network_curves` gives them.
        store: For the settings of networks that learnt nothing, or by heart.
    """
    rows = ranking.rows()
    guessing = [row for row in rows if _may_guess(row, ranking)]
    others = [row for row in rows if row not in guessing]
    lines = [_guess(row, ranking, curves, store) for row in guessing]
    lines += _collapsed(ranking, others)
    lines += _grouped(
        "Still improving when the last epoch ended (--set train.epochs=… gives more)",
        others,
        lambda row: _still_improving(row, curves.get(row["run_id"], {})),
    )
    lines += _by_remedy(
        [row for row in others if _overfitted(curves.get(row["run_id"], {}))], store
    )
    lines += _grouped(
        "Val and test accuracy differ by more than chance (corrected for all rows)",
        others,
        lambda row: _far_apart(row, len(others)),
    )
    lines += _grouped(
        "Tied although the interval of the difference leaves out 0: p decides, which is of another "
        "test and corrected for all rows (Holm)",
        ranking.rows(TIED),
        lambda row: bool(row["difference_high"] < 0 or row["difference_low"] > 0),
    )
    return lines + _never_predicted(ranking, others)


def _tables(row: Row, ranking: Ranking) -> list[pd.DataFrame]:
    return [ranking.answers[run_id] for run_id in row["run_ids"] if run_id in ranking.answers]


def chance(ranking: Ranking) -> float:
    """What one is right in by always naming the commonest class; nan without predictions."""
    table = next(iter(ranking.answers.values()), None)
    return (
        float("nan") if table is None else float(table["true"].value_counts(normalize=True).max())
    )


def _names_one(table: pd.DataFrame) -> bool:
    return table["predicted"].nunique() == 1


def _may_guess(row: Row, ranking: Ranking) -> bool:
    """Whether the interval of its seeds but the collapsed ones holds the commonest class's share.

    With those it would often do so, however good the others are.
    """
    from benchmark.ranking.statistics import wilson_interval

    tables = _tables(row, ranking)
    alive = [table for table in tables if not _names_one(table)]
    if not alive:
        return bool(tables)
    low = row["test_accuracy_low"]
    if len(alive) < len(tables):
        right = [(table["true"] == table["predicted"]).mean() for table in alive]
        low, _ = wilson_interval(float(np.mean(right)), len(alive[0]))
    return bool(low <= chance(ranking))


def _collapsed(ranking: Ranking, rows: Sequence[Row]) -> list[str]:
    """Name the seeds that name one class alone, of rows that are not at chance."""
    found = []
    for row in rows:
        seeds = [
            str(seed)
            for run_id, seed in zip(row["run_ids"], row["seeds"], strict=False)
            if run_id in ranking.answers and _names_one(ranking.answers[run_id])
        ]
        if seeds:
            word = "seed" if len(seeds) == 1 else "seeds"
            found.append(f"{title_of(row)} ({word} {listed(seeds)})")
    told = "Seeds that name one class alone, whatever the image"
    return [f"{told}: {listed(found, separator='; ')}."] if found else []


def _guess(row: Row, ranking: Ranking, curves: Mapping[str, Curves], store: Store) -> str:
    share = chance(ranking)
    sure = row["test_accuracy"] <= share or all(map(_names_one, _tables(row, ranking)))
    told = f"{'At' if sure else 'Not told from'} chance ({share:.1%}): {title_of(row)}"
    if row["head"]:
        return f"{told}; its network's features say too little."
    own = curves.get(row["run_id"])
    if own is None:
        return f"{told}."
    params = read_params(store, [row["run_id"]]).iloc[0]
    return f"{told}; {_reason(own, row, params)}."


def _reason(curves: Curves, row: Row, params: pd.Series[str]) -> str:
    """Why a network learnt nothing, as its curves tell, and what to try."""
    train, val = curves["train_loss"], curves["val_loss"]
    lower = f"try a lower rate: --set train.lr={float(params['train.lr']) / 10:g}"
    finite = [loss for loss in train if math.isfinite(loss)]
    if len(finite) < len(train):
        return f"its loss is no longer finite from epoch {len(finite) + 1} on; {lower}"
    norms = curves.get(_NORM, [1.0])
    if norms[-1] < DEAD:
        return (
            f"no gradient reaches its layers any more (length {norms[-1]:.1g} in the last epoch): "
            f"its activations are dead; {lower}"
        )
    if len(train) == 1:  # a curve of one point has no course
        return "one epoch was too few; try --set train.epochs=5"
    best = int(np.nanargmin(val))
    if train[-1] > ROSE * min(train):
        return f"it diverged after epoch {best + 1}; {lower}"
    if train[0] - min(train) <= FLAT * train[0]:
        if len(train) <= SOON:
            lower = f"try more epochs, --set train.epochs={3 * len(train)}, or{lower[3:]}"
        return f"its loss stayed flat from the start ({train[0]:.2f} to {train[-1]:.2f}); {lower}"
    guessing = math.log(int(row["classes"]))
    if train[-1] > (1 - FLAT) * guessing:
        return (
            f"its train loss ended where guessing is ({train[-1]:.2f}; ln of {row['classes']} "
            f"classes: {guessing:.2f}); {lower}"
        )
    if val[-1] > ROSE * val[best] or _overfitted(curves):
        return (
            f"its val loss rose from epoch {best + 1} on ({val[best]:.2f} to {val[-1]:.2f}) while "
            f"that of train fell: it learnt by heart; try more images, or {_remedy(row, params)}"
        )
    if len(val) < int(row["epochs"]):
        return (
            f"it was stopped after {len(val)} of {row['epochs']} epochs; "
            "try --set train.patience=none"
        )
    return (
        f"{len(val)} epochs were too few ({train[0]:.2f} to {train[-1]:.2f}); try "
        f"--set train.epochs={5 * len(val)}"
    )


def _still_improving(row: Row, curves: Curves) -> bool:
    """Whether the last of all epochs was its best, by its loss too, and left something to gain."""
    val = curves.get("val_loss", [])
    ended = len(val) == row["epochs"] and len(val) > 1
    return (
        ended
        and val[-1] == min(val)
        and 1 > curves["val_accuracy"][-1] >= max(curves["val_accuracy"])
    )


def _overfitted(curves: Curves) -> bool:
    """Whether train accuracy ran away from that of val, whose loss had risen again."""
    val = curves.get("val_loss", [])
    if len(val) < 2:
        return False
    gap = curves["train_accuracy"][-1] - curves["val_accuracy"][-1]
    return gap > GAP and val[-1] > 1.1 * min(val)


def _by_remedy(overfitted: Sequence[Row], store: Store) -> list[str]:
    """Name the networks that overfitted, those together that the same may help."""
    if not overfitted:
        return []
    params = read_params(store, [row["run_id"] for row in overfitted]).T
    alike: dict[str, list[str]] = {}
    for row in overfitted:
        alike.setdefault(_remedy(row, params[str(row["run_id"])]), []).append(title_of(row))
    return [
        "Overfitted, far better on train images than on val (more images would help, or "
        f"{remedy}): {listed(titles)}."
        for remedy, titles in alike.items()
    ]


def _remedy(row: Row, params: pd.Series[str]) -> str:
    """What besides more images may help a network that learns them by heart."""
    # A frozen backbone pools each image once, so that none is mirrored.
    if row["backbone"] == BACKBONES["frozen"] or params.get("train.flip") == "True":
        return "a higher weight decay: --set train.weight_decay=…"
    return "mirrored ones: --set train.flip=true"


def _far_apart(row: Row, rows: int) -> bool:
    from benchmark.ranking.statistics import newcombe_interval

    figures = [row[name] for name in ("best_val_accuracy", "val_images", "test_accuracy")]
    if any(pd.isna(figure) for figure in [*figures, row["test_images"]]):
        return False
    val, images, test = figures
    low, high = newcombe_interval(
        float(val), int(images), float(test), int(row["test_images"]), comparisons=rows
    )
    return low > 0 or high < 0


def _never_predicted(ranking: Ranking, rows: Sequence[Row]) -> list[str]:
    """Name the classes that the best never names, though there are images of them."""
    best = next(iter(rows), None)
    tables = _tables(best, ranking) if best is not None else []
    if best is None or not tables:
        return []
    named_ones = {name for table in tables for name in table["predicted"]}
    missing = sorted({*tables[0]["true"]} - named_ones)
    return [f"{title_of(best)} never predicts {listed(missing)}."] if missing else []


def _grouped(told: str, rows: Sequence[Row], applies: Callable[[Row], bool]) -> list[str]:
    found = [title_of(row) for row in rows if applies(row)]
    return [f"{told}: {listed(found)}."] if found else []
