"""Turns ranked systems and rows of runs into the study's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.ranking.contexts import Context, choose
from benchmark.ranking.runs import with_settings
from benchmark.ranking.systems import SYSTEM_KEYS, Ranking, rank_systems, titles
from benchmark.tracking.store import Store
from registry import heads
from registry.errors import UserError

UNSHARED = "test_accuracy_unshared"
_COLUMNS = (
    "system",
    "run",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "test_accuracy_unshared",
    "verdict",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "rank_low",
    "rank_high",
    "seeds",
    "seeds_missing",
    "test_images",
    "error_images",
    "error_seeds",
    "best_val_accuracy",
    "study_accuracy",
    "study_difference",
    "study_difference_low",
    "study_difference_high",
    "study_verdict",
    "backbone",
    "group",
    "settings",
    "params_total",
    "weights",
    "image_size_px",
    "inference_ms",
    "fit_seconds",
)
_CALLED = {
    "error_images": "standard_error_images",
    "error_seeds": "standard_error_seeds",
    "group": "experiment",
    "params_total": "parameters",
}
"""Columns of a ranking in the summary, and what some of them are called there."""


def summary(ranking: Ranking) -> pd.DataFrame:
    """The study's summary table: each system once, the best first.

    Returns:
        ``system``, ``run``, ``test_accuracy`` (the mean of the seeds, as all figures), its 95%
        interval ``test_accuracy_low`` to ``_high``, where copies of test images lie in another part
        ``test_accuracy_unshared`` (without them), ``verdict``, what `Ranking` tells besides,
        ``seeds`` (how many), the study's where they stand beside, ``backbone`` (how the network was
        trained, whose features a head takes), ``experiment``, ``settings`` (the chosen grid point,
        or what a sweep found), ``parameters`` (a network's count), ``weights``, ``inference_ms``
        (an image), ``fit_seconds`` (a head's with its backbone's); if there was a sweep, ``gain``:
        its test accuracy above that of the same system without it. Accuracies, differences and
        errors are shares of one.
    """
    ranked = ranking.table
    tuned = ranked["tuned"] != ""
    told = ranked.assign(
        system=titles(ranked),
        seeds=ranked["seeds"].map(len),
        settings=ranked["head_params"].where(ranked["head_params"] != "", ranked["tuned"]),
    )
    whole = ["rank_low", "rank_high", "test_images"]
    told[whole] = told[whole].astype("Int64")
    columns = list(_COLUMNS)
    if tuned.any():
        grid = ranked[~tuned].set_index(SYSTEM_KEYS)["test_accuracy"].rename("grid")
        beside = ranked[SYSTEM_KEYS].join(grid, on=SYSTEM_KEYS)["grid"]
        told["gain"] = (ranked["test_accuracy"] - beside).where(tuned)
        columns.insert(columns.index("verdict"), "gain")
    return _with_known(told[columns].rename(columns=_CALLED))


def trees(runs: pd.DataFrame) -> pd.DataFrame:
    """The study's table of experiment 1 against experiment 2, for every setting of every grid.

    Args:
        runs: Of one context.

    Returns:
        ``head``, ``model`` (the backbone's), ``settings``, ``weights``, and for both experiments
        the test accuracy, the mean of the seeds, beside the study's where those stand beside.
    """
    in_grid = (runs["head"] != "") & (runs["tuned"] == "")
    fitted = runs[in_grid].rename(columns={"head_params": "settings"})
    keys = ["head", "model", "settings", "weights"]
    sides = [
        fitted[fitted["group"] == group]
        .groupby(keys)[["test_accuracy", "study_accuracy"]]
        .mean()
        .set_axis([f"accuracy_{short}", f"study_accuracy_{short}"], axis=1)
        for group, short in (("experiment 1", "exp1"), ("experiment 2", "exp2"))
    ]
    table = sides[0].join(sides[1], how="outer").reset_index()
    titles_of = {spec.name: spec.title for spec in heads}
    place = table["head"].map({name: place for place, name in enumerate(titles_of)})
    ordered = table.assign(place=place).sort_values(["place", *keys]).drop(columns="place")
    return _with_known(ordered.assign(head=ordered["head"].replace(titles_of)))


def _with_known(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out figures that these data have for none: the study's, and those without copies."""
    for beginning, told in (("study_", "study_accuracy"), (UNSHARED, UNSHARED)):
        columns = [name for name in table if str(name).startswith(beginning)]
        if table[[name for name in columns if told in str(name)]].isna().all(axis=None):
            table = table.drop(columns=columns)
    return table


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """All columns of all runs, the best test accuracy first."""
    runs = runs.drop(columns="artifact_uri")
    return _with_known(runs.sort_values("test_accuracy", ascending=False, kind="stable"))


VIEWS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"trees": trees, "all": every_run}
"""Tables of runs; ``summary`` is one of systems."""


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """A table of one set of runs.

    Attributes:
        context: Whose runs.
        table: As ``bench leaderboard --format csv`` prints it.
        ranking: What the summary is made of; None for other views.
    """

    context: Context
    table: pd.DataFrame
    ranking: Ranking | None


def make_tables(
    store: Store, view: str, context: str | None
) -> tuple[list[Leaderboard], list[Context]]:
    """Make a table of each chosen set of runs.

    Args:
        store: Where the runs are.
        view: ``summary`` or one of `VIEWS`; ``all`` has all settings, too.
        context: The beginning of a context's id, ``all``, or None for that of the newest run.

    Returns:
        The tables of the chosen sets, and the other sets.

    Raises:
        UserError: There are no runs, no such context, or nothing to show of it.
    """
    chosen = choose(store, context)
    runs = with_settings(chosen.runs, store) if view == "all" else chosen.runs
    made = []
    for one in chosen.contexts:
        own = runs[runs["context"] == one.id]
        ranking = rank_systems(store, own) if view == "summary" else None
        table = VIEWS[view](own) if ranking is None else summary(ranking)
        made.append(Leaderboard(context=one, table=table, ranking=ranking))
    if view == "trees" and all(one.table.empty for one in made):
        raise UserError(
            "no tree head of the study's two experiments is completed on these data and settings; "
            "type: bench run 'resnet18-*/*', with their --data and settings"
        )
    return made, chosen.others


def together(boards: Sequence[Leaderboard]) -> pd.DataFrame:
    """Put the tables of `make_tables` below each other; ``data`` and ``context`` say whose."""
    named = (one.table.assign(data=one.context.title, context=one.context.id) for one in boards)
    return pd.concat(named, ignore_index=True)
