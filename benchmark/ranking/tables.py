"""Turns MLflow queries into the study's tables: the only reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.study.suite import GROUPS
from benchmark.tracking.reader import Columns, read_runs
from benchmark.tracking.store import Store
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS = (
    "test_accuracy",
    "best_val_accuracy",
    "test_top5_accuracy",
    "test_macro_f1",
    "test_log_loss",
    "test_calibration_error",
    "params_total",
    "params_trainable",
    "flops",
    "trees",
    "nodes",
    "best_epoch",
    "epochs_run",
    "fit_seconds",
    "inference_ms",
    "explain_seconds",
    "deletion_auc",
    "deletion_auc_random",
    "peak_memory_mb",
)
TAGS = (
    "system",
    "group",
    "weights",
    "model",
    "head",
    "data",
    "preset",
    "hardware",
    "git_commit",
    "context",
    "tuned",
    "head_params",
)
_PARAMS = {
    "data.num_images": "images",
    "data.num_classes": "classes",
    "data.image_size": "image_size",
    "train.epochs": "epochs",
    "seed": "seed",
}
"""MLflow's params in the table, and what they are called there."""
_OF_MLFLOW = ("started", "run_id")
TRIAL_GROUP = "sweep trial"
_SYSTEM_KEYS = ["system", "group", "weights", "model", "head"]
_HEADS = ("XGBoost", "Random Forest", "Extra Trees")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Runs that may stand in one table: the same data, training settings and seed.

    Attributes:
        id: Hash of all that they share.
        title: The same for people.
    """

    id: str
    title: str


def fetch(store: Store) -> pd.DataFrame:
    """Read the completed runs of networks and heads, without pretraining and explorations.

    Returns:
        A row a run, the newest first; of runs alike, only the newest. Its columns are ``run``,
        ``run_id``, ``started``, `METRICS`, `TAGS`, ``published_accuracy`` and what `_PARAMS` names;
        accuracies are shares of one.

    Raises:
        UserError: The store has no such runs.
    """
    tags = (*TAGS, "published_accuracy")
    columns = Columns(metrics=METRICS, params=tuple(_PARAMS), tags=tags)
    runs = read_runs(store, columns, completed=True)
    runs = runs[runs["tags.group"].isin(GROUPS)]
    if runs.empty:
        raise UserError("no run is completed yet; type: bench run --all")
    runs = runs.rename(columns={f"params.{name}": short for name, short in _PARAMS.items()})
    runs = runs.rename(columns={f"{kind}.{name}": name for kind, name in columns})
    numbers = ["published_accuracy", *_PARAMS.values()]
    runs[numbers] = runs[numbers].apply(pd.to_numeric)
    runs[list(TAGS)] = runs[list(TAGS)].fillna("")
    runs = runs[["run", *TAGS, "published_accuracy", *METRICS, *_PARAMS.values(), *_OF_MLFLOW]]
    return runs.drop_duplicates(["context", "run", "weights"]).reset_index(drop=True)


def run_states(store: Store) -> pd.DataFrame:
    """List all runs but the trials of sweeps with what became of them, the newest first.

    Returns:
        ``run``, ``group``, ``status`` (completed, failed, skipped, interrupted or running),
        ``test_accuracy``, ``data``, ``weights``, ``started``, ``run_id``, ``reason``.

    Raises:
        UserError: The store has no experiment yet.
    """
    tags = ("group", "data", "weights", "completed", "skipped", "error")
    columns = Columns(metrics=("test_accuracy",), tags=tags)
    runs = read_runs(store, columns, completed=False)
    runs = runs.rename(columns={f"{kind}.{name}": name for kind, name in columns})
    runs[list(tags)] = runs[list(tags)].fillna("")
    runs = runs[runs["group"] != TRIAL_GROUP]
    states = zip(runs["status"], runs["completed"], runs["skipped"], strict=True)
    return pd.DataFrame(
        {
            **runs[["run", "group"]],
            "status": [_state(*one) for one in states],
            **runs[["test_accuracy", "data", "weights"]],
            "started": runs["started"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "run_id": runs["run_id"],
            "reason": runs["error"].where(runs["error"] != "", runs["skipped"]),
        }
    )


def state(run: Run) -> str:
    """Say what became of a run: completed, failed, skipped, interrupted or running."""
    tags = run.data.tags
    return _state(run.info.status, tags.get("completed", ""), tags.get("skipped", ""))


def _state(status: str, completed: str, skipped: str) -> str:
    if completed:
        return "completed"
    if skipped:
        return "skipped"
    return {"FAILED": "failed", "RUNNING": "running"}.get(status, "interrupted")


def contexts(runs: pd.DataFrame) -> list[Context]:
    """List the sets of runs that a table may hold, the one with the newest run first."""
    return [
        Context(
            id=str(id_),
            title=(
                f"{first['data']}: {first['images']:,} images of {first['classes']} classes, "
                f"{first['image_size']} px, {_preset(first['preset'])}at most {first['epochs']} "
                f"epochs, seed {first['seed']}"
            ),
        )
        for id_, group in runs.groupby("context", sort=False)
        for first in (group.iloc[0],)
    ]


def _preset(name: str) -> str:
    return "" if name in ("", "study") else f"preset {name}, "


def choose_contexts(runs: pd.DataFrame, id_: str | None) -> tuple[list[Context], list[Context]]:
    """Choose the sets of runs to show, each in a table of its own.

    Args:
        runs: As `fetch` gives them.
        id_: The beginning of a context's id, ``all``, or None for that of the newest run.

    Returns:
        The chosen ones, and the others.

    Raises:
        UserError: No context begins so, or several do.
    """
    known = contexts(runs)
    if id_ == "all":
        return known, []
    chosen = known[:1] if id_ is None else [one for one in known if one.id.startswith(id_)]
    if len(chosen) != 1:
        listed = "; ".join(f"{context.id[:8]} ({context.title})" for context in known)
        raise UserError(f"{len(chosen)} sets of runs begin with {id_!r}; there are: {listed}")
    return chosen, [context for context in known if context not in chosen]


def representatives(runs: pd.DataFrame) -> pd.DataFrame:
    """Choose the run that stands for each system, the best test accuracy first.

    Of a head's grid, it is the point with the best validation accuracy, of equals the first;
    likewise the best of its sweeps, besides.

    Args:
        runs: Of one context.

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
        ``system``, ``experiment``, ``test_accuracy``, ``study_accuracy``, ``parameters``
        (a count for networks, the chosen grid point for heads, the settings found for what a sweep
        tuned), ``weights``, ``fit_seconds``; if there was a sweep, ``gain``: its test accuracy
        above that of the same system without it.
    """
    ranked = representatives(runs)
    tuned = ranked["tuned"] != ""
    settings = ranked["head_params"].where(ranked["head_params"] != "", ranked["tuned"])
    table = pd.DataFrame(
        {
            "system": ranked["system"] + tuned.map({True: " (tuned)", False: ""}),
            "experiment": ranked["group"],
            "test_accuracy": ranked["test_accuracy"],
            "study_accuracy": ranked["published_accuracy"],
            "parameters": settings.where(settings != "", ranked["params_total"]),
            "weights": ranked["weights"],
            "fit_seconds": ranked["fit_seconds"],
        }
    )
    if tuned.any():
        grid = ranked[~tuned].set_index(_SYSTEM_KEYS)["test_accuracy"].rename("grid")
        beside = ranked[_SYSTEM_KEYS].join(grid, on=_SYSTEM_KEYS)["grid"]
        table.insert(3, "gain", (ranked["test_accuracy"] - beside).where(tuned))
    return table.reset_index(drop=True)


def trees(runs: pd.DataFrame) -> pd.DataFrame:
    """The study's table of experiment 1 against experiment 2, for every setting of every grid.

    Args:
        runs: Of one context.

    Returns:
        ``head``, ``parameters``, and for both experiments the test accuracy beside the study's.
    """
    in_grid = (runs["head"] != "") & (runs["tuned"] == "")
    fitted = runs[in_grid].rename(columns={"head_params": "parameters"})
    fitted = fitted.assign(head=fitted["system"].str.split(" on ").str[0])
    keys = ["head", "parameters", "weights"]
    sides = [
        fitted[fitted["group"] == group]
        .set_index(keys)[["test_accuracy", "published_accuracy"]]
        .set_axis([f"accuracy_{short}", f"study_accuracy_{short}"], axis=1)
        for group, short in (("experiment 1", "exp1"), ("experiment 2", "exp2"))
    ]
    table = sides[0].join(sides[1], how="outer").reset_index()
    order = {head: place for place, head in enumerate(_HEADS)}
    place = table["head"].map(order).fillna(len(order))
    return table.assign(place=place).sort_values(["place", *keys]).drop(columns="place")


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """All columns of all runs, the best test accuracy first."""
    return runs.sort_values("test_accuracy", ascending=False, kind="stable")


VIEWS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "summary": summary,
    "trees": trees,
    "all": every_run,
}
