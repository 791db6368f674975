"""Turns an MLflow store into rows of runs, and into the sets of them that tables may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.data.names import counted
from benchmark.study.plan import SPEC_VERSION
from benchmark.study.suite import BACKBONES, GROUPS
from benchmark.tracking.reader import Columns, read_params, read_runs
from benchmark.tracking.store import Store
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
    "rank",
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
_SCHEDULE = "system.schedule"
_HASHES = ("data.fingerprint", "needs")
"""Params that are no numbers, even if they look like some."""
_COUNTS = (
    "params_total",
    "params_trainable",
    "flops",
    "trees",
    "nodes",
    "best_epoch",
    "epochs_run",
    *_PARAMS.values(),
)
TRIAL_GROUP = "sweep trial"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Runs that may stand in one table: of the same data, split and training settings.

    Attributes:
        id: Hash of all that they share.
        title: The same for people.
        version: The `SPEC_VERSION` of its runs; empty before there were repeats.
        count: How many runs it has.
    """

    id: str
    title: str
    version: str = ""
    count: int = 0

    @property
    def is_older(self) -> bool:
        """Whether today's runs are not to be compared with these."""
        return self.version != str(SPEC_VERSION)


def fetch(store: Store) -> pd.DataFrame:
    """Read the completed runs of networks and heads, without pretraining and explorations.

    Returns:
        A row a run, the newest first; of runs alike, only the newest: ``run``, `METRICS`,
        ``study_accuracy``, ``backbone`` (from scratch, fine-tuned or frozen), `TAGS`, what
        `_PARAMS` names, ``started``, ``run_id`` and ``artifact_uri``. Accuracies are shares of one,
        counts whole numbers.

    Raises:
        UserError: The store has no such runs.
    """
    tags = (*TAGS, "study_accuracy")
    columns = Columns(metrics=METRICS, params=(*_PARAMS, _SCHEDULE), tags=tags)
    runs = read_runs(store, columns, completed=True)
    runs = runs[runs["tags.group"].isin(GROUPS)]
    if runs.empty:
        raise UserError("no run is completed yet; type: bench run --all")
    runs = runs.rename(columns={f"params.{name}": short for name, short in _PARAMS.items()})
    runs = runs.rename(columns={f"{kind}.{name}": name for kind, name in columns})
    numbers = ["study_accuracy", *_PARAMS.values()]
    runs[numbers] = runs[numbers].apply(pd.to_numeric)
    runs[list(_COUNTS)] = runs[list(_COUNTS)].round().astype("Int64")
    runs[list(TAGS)] = runs[list(TAGS)].fillna("")
    runs["backbone"] = runs[_SCHEDULE].map(BACKBONES)
    order = ["run", *METRICS[:2], "study_accuracy", *METRICS[2:], "backbone", *TAGS]
    runs = runs[[*order, *_PARAMS.values(), "started", "run_id", "artifact_uri"]]
    return runs.drop_duplicates(["context", "run", "weights", "seed"]).reset_index(drop=True)


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
    if texts.name in _HASHES:
        return texts
    try:
        return pd.to_numeric(texts).convert_dtypes()
    except ValueError:
        return texts


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
                f"{first['image_size_px']} px, {_preset(first['preset'])}"
                f"at most {counted(first['epochs'], 'epoch')}, {_seeds(group['seed'])}"
            ),
            version=str(first["spec_version"]),
            count=len(group),
        )
        for id_, group in runs.groupby("context", sort=False)
        for first in (group.iloc[0],)
    ]


def _seeds(seeds: pd.Series[Any]) -> str:
    known = sorted({int(seed) for seed in seeds.dropna()})
    return f"{'seed' if len(known) == 1 else 'seeds'} {', '.join(map(str, known))}"


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
