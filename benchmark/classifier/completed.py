"""Turns a run's name or id into completed runs, and these into the predictions that they stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmark.evaluation.predictions import Predictions
from benchmark.ranking.runs import fetch
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.core import near
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def find_runs(store: Store, run: str, context: str | None = None) -> list[Run]:
    """Find completed runs, the newest first: one at least.

    Args:
        store: Where runs are tracked.
        run: A name, such as ``resnet18-frozen/xgboost-n100-d10``, or MLflow's id of a run.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none.
    """
    by_id = _RUN_ID.fullmatch(run)
    if not by_id and run not in set(known := fetch(store)["run"]):
        raise UserError(f"no completed run is called {run!r}; {near(run, known)}")
    field = "run_id" if by_id else "run_name"
    quote = '"' if "'" in run else "'"  # a run may be renamed in MLflow
    found = [
        one
        for one in search(
            store, f"tags.completed = 'true' and attributes.{field} = {quote}{run}{quote}"
        )
        if context is None or one.data.tags["context"].startswith(context)
    ]
    if not found and by_id:
        raise UserError(f"no completed run has the id {run}; bench ls runs lists them")
    if not found:
        raise UserError(
            f"{run} has no run in the context {context!r}; bench leaderboard lists them"
        )
    return found


def read_predictions(store: Store, run: str, context: str | None = None) -> Predictions:
    """Read what the newest of the runs said of the test split; see `find_runs`.

    Raises:
        UserError: There is no such run, or what it stored is gone.
    """
    newest = find_runs(store, run, context)[0]
    with Tracker(store).artifact(newest.info.run_id, "predictions") as folder:
        return Predictions.load(folder, "test")
