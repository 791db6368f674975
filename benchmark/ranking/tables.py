"""Turns rows of runs into the study's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from benchmark.ranking.runs import Context, choose_contexts, fetch, with_settings
from benchmark.tracking.store import Store

_SYSTEM_KEYS = ["system", "group", "weights", "model", "head"]
_HEADS = ("XGBoost", "Random Forest", "Extra Trees")


def representatives(runs: pd.DataFrame) -> pd.DataFrame:
    """Choose the run that stands for each system, the best test accuracy first.

    Of a head's grid, it is the point with the best validation accuracy, of equals the first;
    likewise the best of its sweeps, besides.

    Args:
        runs: Of one context, as `benchmark.ranking.runs.fetch` gives them.

    Returns:
        Rows of ``runs``.
    """
    oldest_first = runs.sort_values("started", kind="stable")
    best_first = oldest_first.sort_values("best_val_accuracy", ascending=False, kind="stable")
    sweeps = best_first.assign(from_sweep=best_first["tuned"] != "")
    best = best_first[~sweeps.duplicated([*_SYSTEM_KEYS, "from_sweep"])]
    return best.sort_values("test_accuracy", ascending=False, kind="stable")


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """The study's summary table: each system once, as `representatives` chooses and orders them.

    Args:
        runs: Of one context.

    Returns:
        ``system``, ``run``, ``test_accuracy``, ``study_accuracy`` (where the study's stand beside),
        ``backbone`` (how the network was trained, whose features a head takes), ``experiment``,
        ``settings`` (the chosen grid point, or what a sweep found), ``parameters`` (a network's
        count), ``weights``, ``fit_seconds`` (a head's with its backbone's); if there was a sweep,
        ``gain``: its test accuracy above that of the same system without it.
    """
    ranked = representatives(runs)
    tuned = ranked["tuned"] != ""
    table = pd.DataFrame(
        {
            "system": ranked["system"] + tuned.map({True: " (tuned)", False: ""}),
            "run": ranked["run"],
            "test_accuracy": ranked["test_accuracy"],
            "study_accuracy": ranked["study_accuracy"],
            "backbone": ranked["backbone"],
            "experiment": ranked["group"],
            "settings": ranked["head_params"].where(ranked["head_params"] != "", ranked["tuned"]),
            "parameters": ranked["params_total"],
            "weights": ranked["weights"],
            "fit_seconds": ranked["fit_seconds"],
        }
    )
    if tuned.any():
        grid = ranked[~tuned].set_index(_SYSTEM_KEYS)["test_accuracy"].rename("grid")
        beside = ranked[_SYSTEM_KEYS].join(grid, on=_SYSTEM_KEYS)["grid"]
        table.insert(3, "gain", (ranked["test_accuracy"] - beside).where(tuned))
    return _with_study(table).reset_index(drop=True)


def trees(runs: pd.DataFrame) -> pd.DataFrame:
    """The study's table of experiment 1 against experiment 2, for every setting of every grid.

    Args:
        runs: Of one context.

    Returns:
        ``head``, ``settings``, ``weights``, and for both experiments the test accuracy, beside the
        study's where those stand beside.
    """
    in_grid = (runs["head"] != "") & (runs["tuned"] == "")
    fitted = runs[in_grid].rename(columns={"head_params": "settings"})
    fitted = fitted.assign(head=fitted["system"].str.split(" on ").str[0])
    keys = ["head", "settings", "weights"]
    sides = [
        fitted[fitted["group"] == group]
        .set_index(keys)[["test_accuracy", "study_accuracy"]]
        .set_axis([f"accuracy_{short}", f"study_accuracy_{short}"], axis=1)
        for group, short in (("experiment 1", "exp1"), ("experiment 2", "exp2"))
    ]
    table = sides[0].join(sides[1], how="outer").reset_index()
    order = {head: place for place, head in enumerate(_HEADS)}
    place = table["head"].map(order).fillna(len(order))
    ordered = table.assign(place=place).sort_values(["place", *keys]).drop(columns="place")
    return _with_study(ordered)


def _with_study(table: pd.DataFrame) -> pd.DataFrame:
    """Leave the study's accuracies out where none stands beside: the data are of another kind."""
    study = [name for name in table if "study_accuracy" in str(name)]
    return table.drop(columns=study) if table[study].isna().all(axis=None) else table


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """All columns of all runs, the best test accuracy first."""
    return _with_study(runs.sort_values("test_accuracy", ascending=False, kind="stable"))


VIEWS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "summary": summary,
    "trees": trees,
    "all": every_run,
}


def make_tables(
    store: Store, view: str, context: str | None
) -> tuple[list[tuple[Context, pd.DataFrame]], list[Context]]:
    """Make a table of each chosen set of runs.

    Args:
        store: Where the runs are.
        view: One of `VIEWS`; ``all`` has all settings, too.
        context: The beginning of a context's id, ``all``, or None for that of the newest run.

    Returns:
        The chosen sets with their tables, and the other sets.

    Raises:
        UserError: There are no runs, or no such context.
    """
    runs = fetch(store)
    chosen, others = choose_contexts(runs, context)
    runs = runs[runs["context"].isin([one.id for one in chosen])]
    if view == "all":
        runs = with_settings(runs, store)
    tables = [(one, VIEWS[view](runs[runs["context"] == one.id])) for one in chosen]
    return tables, others


def together(tables: Sequence[tuple[Context, pd.DataFrame]]) -> pd.DataFrame:
    """Put the tables of `make_tables` below each other; ``data`` and ``context`` say whose."""
    named = (table.assign(data=one.title, context=one.id) for one, table in tables)
    return pd.concat(named, ignore_index=True)
