"""Turns a finished run, or all of a context, into whose weights are kept: the best row's."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.classifier.completed import backbone_of
from benchmark.classifier.network import WEIGHTS_FILE
from benchmark.ranking.runs import IDENTITY, fetch, read_rows
from benchmark.ranking.systems import SYSTEM_KEYS, best_runs
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec
from benchmark.tracking.items import Tag
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.reader import search
from benchmark.tracking.registered import registered_runs
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.heads import HEAD_FILES
from registry.errors import UserError, one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)
STANDARD_ERRORS = 2
"""A run so close in validation accuracy to the best of its seed may yet be of the best row."""
KEPT = Tag("weights_file", "kept")
_WHILE_BEST = Tag("weights_kept", "while best")
_HAS = f"tags.{KEPT.name} = '{KEPT.value}'"
_IN_DOUBT = f"tags.{_WHILE_BEST.name} = '{_WHILE_BEST.value}'", f"tags.{KEPT.name} != 'removed'"
"""Terms of MLflow's language: runs that have weights, or may have some that are not to stay."""


def keeps(
    spec: RunSpec, options: RunOptions, val_accuracy: float, val_images: int
) -> Iterator[Tag]:
    """Say whether a run's weights are to be kept: for good, or while its row may be the best.

    Args:
        spec: The run.
        options: Whose are kept, and where the completed runs of its context are.
        val_accuracy: Of the run, a share of one.
        val_images: On how many images.

    Yields:
        The tags of a run that keeps them; of another, none.
    """
    if spec.id in options.save_weights:
        yield KEPT
    elif options.keep_best and _may_be_best(spec, options.store, val_accuracy, val_images):
        yield KEPT
        yield _WHILE_BEST


def _may_be_best(spec: RunSpec, store: Store, val_accuracy: float, val_images: int) -> bool:
    """Whether the best row is the run's, or it is one of the best of its seed.

    A row is the mean of its seeds, so that one lucky run says nothing of the runs of other seeds.
    """
    try:
        tags = ("context", *SYSTEM_KEYS)
        columns = tuple(name for name in tags if name != "image_size_px")
        runs = read_rows(store, columns, ("best_val_accuracy",), [spec.context])
    except UserError:  # no run is completed, or the store is away
        return True
    best = runs.loc[runs["seed"] == spec.seed, "best_val_accuracy"].max()
    best = 0.0 if pd.isna(best) else float(best)
    if val_accuracy >= best - STANDARD_ERRORS * math.sqrt(best * (1 - best) / val_images):
        return True
    own = {
        "context": spec.context,
        "run": spec.name,
        "system": spec.title,
        "group": spec.group,
        "model": spec.system.model,
        "head": spec.system.head or "",
        "weights": spec.weights,
        "image_size_px": spec.image_size,
        "tuned": "",
        "seed": spec.seed,
        "started": datetime.now(UTC),
        "best_val_accuracy": val_accuracy,
        "run_id": "",
    }
    added = pd.concat([pd.DataFrame([own]), runs]).drop_duplicates([*IDENTITY])
    return "" in set(best_runs(added)["run_id"])


def leave_best(store: Store, tracker: Tracker, contexts: Collection[str]) -> None:
    """Remove the weights that were kept in case their row would be the best, and it is not.

    Those of the best row stay, with all its seeds, and of each seed those of the best run: with
    more seeds to come, its row may be the best. So do those that registered models are made of.
    A kept head's backbone stays with it. What cannot be removed is told, and left to the next time.

    Args:
        store: Where the runs are.
        tracker: Of the store.
        contexts: Whose runs.
    """
    try:
        # Before the rankings: a run that ends in between is not judged by them.
        in_doubt = list(_find(store, *_IN_DOUBT))
        runs = fetch(store, contexts)
        kept = registered_runs(store)
        for context in contexts:
            own = runs[runs["context"] == context]
            for some in [own, *(of_seed for _, of_seed in own.groupby("seed"))]:
                if not some.empty:
                    kept |= {*best_runs(some)["run_id"]}
        kept |= {backbone_of(run) for run in _find(store, _HAS) if run.info.run_id in kept}
    except UserError:  # no run is completed, or the store is away
        return
    refused: dict[str, str] = {}
    for run in in_doubt:
        if run.data.tags["context"] in contexts and run.info.run_id not in kept:
            try:
                _remove_weights(tracker, run.info.run_id)
            except StoreAway:  # the next command goes on
                break
            except Exception as error:  # of any service that keeps files: the runs are made
                refused[str(run.info.run_name)] = one_line(error)
    if refused:
        told = "the weights of %s are not of the best row, and cannot be removed (%s); %s"
        what_next = "get leave to delete them, and the next command does"
        logger.warning(told, ", ".join(refused), next(iter(refused.values())), what_next)


def _remove_weights(tracker: Tracker, run_id: str) -> None:
    """Remove a run's weights; nobody uses what is half removed, and the next command goes on."""
    tracker.client.set_tag(run_id, KEPT.name, "removing")
    for name in (WEIGHTS_FILE, *HEAD_FILES):
        tracker.remove_artifact(run_id, name)
    tracker.client.set_tag(run_id, KEPT.name, "removed")


def _find(store: Store, *terms: str) -> Iterator[Run]:
    """The completed runs of which these terms of MLflow's language hold."""
    return search(store, " and ".join(["tags.completed = 'true'", *terms]))
