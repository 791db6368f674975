"""Turns an MLflow store into rows of runs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.study.suite import BACKBONES, GROUPS
from benchmark.tracking.reader import COMPLETED, Columns, read_params, read_runs
from benchmark.tracking.store import Store
from registry import heads, models
from registry.code import code_id
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS = (
    "test_accuracy",
    "best_val_accuracy",
    "test_accuracy_unshared",
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
    "head_fit_seconds",
    "inference_ms",
    "size_mb",
    "explain_seconds",
    "deletion_auc",
    "deletion_auc_random",
    "peak_memory_mib",
    "peak_gpu_memory_mib",
)
TAGS = (
    "system",
    "group",
    "weights",
    "model",
    "head",
    "head_params",
    "tuned",
    "data",
    "preset",
    "device",
    "hardware",
    "versions",
    "git_commit",
    "context",
    "spec_version",
)
_PARAMS = {
    "data.num_images": "images",
    "data.val_images": "val_images",
    "data.test_images": "test_images",
    "data.num_classes": "classes",
    "data.image_size": "image_size_px",
    "train.epochs": "epochs",
    "seed": "seed",
}
"""MLflow's params in every table, and what they are called there."""
_MODEL = "system.model"
_SCHEDULE = "system.schedule"
NETWORK = (_MODEL, _SCHEDULE)
"""Params that name the network of a run; it is a head's, too."""
_OWN_SIZE = "input.size"
"""Of what was made for a size, in place of ``data.image_size``."""
_WEIGHTS_ID = "weights_id"
_CODE_ID = "code_id"
_BESIDES = (*NETWORK, _OWN_SIZE, _WEIGHTS_ID, _CODE_ID)
_TEXTS = (
    _MODEL,
    "system.head",
    "data.name",
    "data.fingerprint",
    "needs",
    "shared",
    _WEIGHTS_ID,
    _CODE_ID,
)
"""Params that are no numbers, even if they look like some."""
_CHOOSING = "best_val_accuracy"
"""The metric that chooses."""
_COUNTS = (
    "params_total",
    "params_trainable",
    "flops",
    "trees",
    "nodes",
    "best_epoch",
    "epochs_run",
)
TRIAL_GROUP = "sweep trial"
IDENTITY = ("context", "run", "weights", "image_size_px", "seed")
"""Of runs alike in these, the newest counts; of several codes of a plugin, those of today's, and of
a sweep those of its best on validation: another study of its name may have found a worse one."""


def fetch(store: Store, among: Collection[str] | None = None) -> pd.DataFrame:
    """Read the completed runs of networks and heads, without pretraining and explorations.

    Args:
        store: Where.
        among: Ids of contexts; None for the runs of all.

    Returns:
        A row a run, the newest first; of runs alike, only the newest: ``run``, `METRICS`,
        ``study_accuracy``, ``backbone`` (from scratch, fine-tuned or frozen), `TAGS`, what
        `_PARAMS` names, ``started``, ``run_id`` and ``artifact_uri``. Accuracies are shares of one,
        counts whole numbers.

    Raises:
        UserError: The store has no such runs.
    """
    runs = read_rows(store, (*TAGS, "study_accuracy"), METRICS, among)
    runs["study_accuracy"] = pd.to_numeric(runs["study_accuracy"])
    runs[list(_COUNTS)] = runs[list(_COUNTS)].round().astype("Int64")
    runs["backbone"] = runs[_SCHEDULE].map(BACKBONES)
    order = ["run", *METRICS[:2], "study_accuracy", *METRICS[2:], "backbone", *TAGS]
    return runs[[*order, *_PARAMS.values(), "started", "run_id", "artifact_uri"]]


def read_rows(
    store: Store,
    tags: tuple[str, ...],
    metrics: tuple[str, ...] = (),
    among: Collection[str] | None = None,
) -> pd.DataFrame:
    """Read some columns of the runs that `fetch` reads.

    Args:
        store: Where.
        tags: Which; ``context``, ``weights`` and ``group`` are among them.
        metrics: Which.
        among: Ids of contexts; None for the runs of all.

    Returns:
        A row a run, the newest first; of runs alike, only the newest: the columns, and what
        `_PARAMS` names.

    Raises:
        UserError: The store has no such runs.
    """
    tags = tuple(dict.fromkeys((*tags, "tuned")))
    metrics = tuple(dict.fromkeys((*metrics, _CHOOSING)))
    columns = Columns(metrics=metrics, params=(*_PARAMS, *_BESIDES), tags=tags)
    of_them = {} if among is None else {"context": among}
    runs = read_runs(store, columns, {**COMPLETED, **of_them})
    runs = runs[runs["tags.group"].isin(GROUPS)]
    if runs.empty:
        raise UserError("no run is completed yet; type: bench run --all")
    runs = runs.rename(columns={f"params.{name}": short for name, short in _PARAMS.items()})
    runs = runs.rename(columns={f"{kind}.{name}": name for kind, name in columns})
    known = [name for name in tags if name in TAGS]
    runs[known] = runs[known].fillna("")
    own_sizes = pd.to_numeric(runs[_OWN_SIZE], errors="coerce")
    runs["image_size_px"] = own_sizes.fillna(pd.to_numeric(runs["image_size_px"]))
    numbers = [*_PARAMS.values()]
    runs[numbers] = runs[numbers].apply(pd.to_numeric).round().astype("Int64")
    runs["weights"] = _told_apart(runs)
    runs = runs[_of_one_code(runs)]
    return runs[_of_one_best(runs)].drop_duplicates([*IDENTITY]).reset_index(drop=True)


def _of_one_best(runs: pd.DataFrame) -> pd.Series[bool]:
    """Which runs are of no sweep, or of the best of theirs; of equals, of the newest.

    Bests are compared by the seed that they were found with, which is scored first.
    """
    alike, tuned = [runs[name] for name in IDENTITY if name != "seed"], runs["tuned"]
    found = runs[_CHOOSING].groupby([*alike, tuned], dropna=False).transform("last").fillna(-1)
    best = tuned.where(found == found.groupby(alike, dropna=False).transform("max"))
    return tuned == best.groupby(alike, dropna=False).transform("first")


def _of_one_code(runs: pd.DataFrame) -> pd.Series[bool]:
    """Which runs of a plugin are of the code that it has now, or, if none is, of their newest."""
    # What a sweep is called has its code's hash in it.
    sweeps = runs["run"].str.rpartition("-")[0]
    named = runs.assign(run=runs["run"].where(runs["tuned"] == "", sweeps))
    alike = [named[name] for name in IDENTITY if name != "seed"]
    code = runs[_CODE_ID].fillna("")
    counts = code.groupby(alike, dropna=False).transform("first")
    if (code != counts).any():
        now = code.where(code.isin({code_id(spec.factory) for spec in (*models, *heads)}))
        counts = now.groupby(alike, dropna=False).transform("first").fillna(counts)
    return code == counts


def _told_apart(runs: pd.DataFrame) -> pd.Series[str]:
    """Names of weights; with the id behind the name where several of a model are called alike."""
    ids = runs[_WEIGHTS_ID].fillna("")
    alike = [runs[name] for name in ("context", _MODEL, "weights")]
    several = ids.groupby(alike, dropna=False).transform("nunique") > 1
    named = [weights_title(*one) for one in zip(runs["weights"], ids, strict=True)]
    return runs["weights"].where(~several | (ids == ""), named)


def weights_title(weights: str, id_: str) -> str:
    """Name weights of which there are several of that name."""
    return f"{weights} {id_[:6]}"


def with_settings(runs: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Add a column for each setting of the runs, under the name that ``--set`` and MLflow use.

    Args:
        runs: As `fetch` gives them; better of one context than of all.
        store: Where they are.
    """
    settings = read_params(store, runs["run_id"].tolist())
    told = settings[[name for name in settings if name not in _PARAMS and name not in runs]]
    return runs.join(told.apply(_numbers), on="run_id")


def _numbers(texts: pd.Series[str]) -> pd.Series[Any]:
    """Read a column of numbers; leave one that holds anything else as it is."""
    if texts.name in _TEXTS:
        return texts
    try:
        return pd.to_numeric(texts).convert_dtypes()
    except ValueError:
        return texts


def run_states(store: Store) -> pd.DataFrame:
    """List all runs but the trials of sweeps with what became of them, the newest first.

    Returns:
        ``run``, ``group``, ``status`` (completed, failed, skipped, interrupted or running),
        ``test_accuracy``, ``data``, ``weights``, ``started`` (to the second, with the offset that
        this machine's clock has now), ``run_id``, ``reason``.

    Raises:
        UserError: The store has no experiment yet.
    """
    tags = ("group", "data", "weights", "completed", "skipped", "error")
    columns = Columns(metrics=("test_accuracy",), tags=tags)
    runs = read_runs(store, columns, {})
    runs = runs.rename(columns={f"{kind}.{name}": name for kind, name in columns})
    runs[list(tags)] = runs[list(tags)].fillna("")
    runs = runs[runs["group"] != TRIAL_GROUP]
    states = zip(runs["status"], runs["completed"], runs["skipped"], strict=True)
    here = datetime.now().astimezone().tzinfo
    return pd.DataFrame(
        {
            **runs[["run", "group"]],
            "status": [_state(*one) for one in states],
            **runs[["test_accuracy", "data", "weights"]],
            "started": runs["started"].dt.floor("s").dt.tz_convert(here),
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
