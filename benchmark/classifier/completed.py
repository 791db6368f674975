"""Turns what a user calls a classifier into completed runs, and these into stored predictions."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.data.splits import Split
from benchmark.evaluation.predictions import Predictions
from benchmark.ranking.contexts import choose_one
from benchmark.ranking.runs import fetch, weights_title
from benchmark.ranking.systems import BEST, best_runs, titles
from benchmark.tracking.reader import search
from benchmark.tracking.registered import SCHEME, registered_run
from benchmark.tracking.store import Store, no_experiment
from benchmark.tracking.writer import Tracker
from registry.core import near
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run

logger = logging.getLogger(__name__)
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def find_runs(
    store: Store, name: str = BEST, *, seed: int | None = None, context: str | None = None
) -> list[Run]:
    """Find the completed runs that a name stands for, the one to take first; one at least.

    Of several contexts, the newest alone; of its seeds, the best by validation accuracy; of runs
    that were repeated, the newest. The others of that context follow.

    Args:
        store: Where runs are tracked.
        name: `BEST`, the row with the best validation accuracy of the newest set of runs; a run's,
            such as ``resnet18-frozen/xgboost-n100-d10``, or its id; a row of the leaderboard, as
            its system is called there, or BACKBONE/HEAD; or a registered model, such as
            ``models:/NAME@champion``.
        seed: Which; None for any.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none, which says what is near; or several contexts begin so.
    """
    is_address = name.startswith(SCHEME)
    is_one = is_address or _RUN_ID.fullmatch(name)
    if is_one and (seed is not None or context is not None):
        raise UserError(f"{name} is one run; leave --seed and --context out")
    if is_address:
        name = registered_run(store, name)
    if _RUN_ID.fullmatch(name):
        found = list(search(store, f"tags.completed = 'true' and attributes.run_id = '{name}'"))
        if not found:
            raise UserError(f"no completed run has the id {name}; bench ls runs lists them")
        return found
    runs = fetch(store) if context is None else choose_one(store, context).runs
    rows = _stand_for(runs, name)
    if seed is not None:
        rows = rows[rows["seed"] == seed]
    if rows.empty:
        raise _no_such(store, runs, name, context)
    return _in_order(store, rows)


def _stand_for(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs that a name stands for: of its newest context, all seeds of one row."""
    named = runs[runs["run"] == name]
    if not named.empty:
        return _of_newest(named)
    if name == BEST:
        of_rows = runs
    else:
        grid = runs["run"].str.startswith(f"{name}-") & (runs["head"] == name.rpartition("/")[2])
        of_rows = runs[grid | (titles(runs).str.casefold() == name.casefold())]
    return of_rows if of_rows.empty else best_runs(_of_newest(of_rows))


def _of_newest(runs: pd.DataFrame) -> pd.DataFrame:
    newest: pd.DataFrame = runs[runs["context"] == runs["context"].iloc[0]]
    return newest


def _no_such(store: Store, runs: pd.DataFrame, name: str, context: str | None) -> UserError:
    """Say what of a name, a context and a seed there is not."""
    known = fetch(store)
    if _stand_for(known, name).empty:
        names = {*known["run"], *titles(known), BEST}
        return UserError(f"no completed run is called {name!r}; {near(name, names)}")
    if (there := _stand_for(runs, name)).empty:
        return UserError(
            f"{name} has no run in the context {context!r}; bench leaderboard lists them"
        )
    seeds = sorted({*map(int, there["seed"])})
    return UserError(f"{name} has no run with this seed, but with {', '.join(map(str, seeds))}")


def _in_order(store: Store, rows: pd.DataFrame) -> list[Run]:
    """All runs that some of the newest of their kinds stand for, in the order of `find_runs`."""
    order: dict[tuple[str, ...], int] = {}
    ranked = rows.sort_values("best_val_accuracy", ascending=False, kind="stable")
    keys = ["context", "weights", "seed", "run", "image_size_px", "tuned"]
    for key in ranked[keys].itertuples(index=False):
        order.setdefault(tuple(map(str, key)), len(order))
    found: list[tuple[int, Run]] = []
    for name in dict.fromkeys(rows["run"]):
        pattern = re.sub(r"[^\w./-]", "_", name)  # a run may be renamed in MLflow, to any text
        query = f"tags.completed = 'true' and attributes.run_name LIKE '{pattern}'"
        alike = [run for run in search(store, query) if run.info.run_name == name]
        places = ((_place(run, order), run) for run in alike)
        found += [(place, run) for place, run in places if place is not None]
    return [run for _, run in sorted(found, key=lambda one: one[0])]


def _place(run: Run, order: Mapping[tuple[str, ...], int]) -> int | None:
    """Where a run stands in the order of what tables call it; None if it is in none."""
    tags, params = run.data.tags, run.data.params
    size = params.get("input.size", "None")
    if size == "None":
        size = params.get("data.image_size", "<NA>")
    rest = params.get("seed", "<NA>"), str(run.info.run_name), size, tags.get("tuned", "")
    weights = tags.get("weights", "")
    for title in (weights_title(weights, params.get("weights_id", "")), weights):
        if (place := order.get((tags["context"], title, *rest))) is not None:
            return place
    return None


def find_trained(
    store: Store, name: str = BEST, *, seed: int | None = None, context: str | None = None
) -> Run:
    """Find the first of the completed runs that a name stands for that kept its weights.

    Where that is not the first of all, it is told.

    Args:
        store: Where runs are tracked.
        name: See `find_runs`, which says what goes first.
        seed: Which; None for any.
        context: How the id of its context begins; None for any.

    Raises:
        UserError: There is none, or it did not keep what it takes; says what to type.
    """
    if not store.exists():
        raise no_experiment(store)
    runs = find_runs(store, name, seed=seed, context=context)
    kept = {run.info.run_id for run in search(store, "tags.weights_file = 'kept'")}
    for run in runs:
        if {run.info.run_id, backbone_of(run)} <= kept:
            if run is not runs[0]:
                told = "%s kept no weights; the next of its runs is taken: %s"
                logger.warning(told, _exactly(runs[0]), _exactly(run))
            return run
    run_name = runs[0].info.run_name
    called = run_name if name in (run_name, runs[0].info.run_id) else f"{name}, {run_name},"
    raise UserError(f"{called} kept no weights; {_again(runs[0])}")


def _exactly(run: Run) -> str:
    seed = run.data.params.get("seed", "0")
    return f"{run.info.run_name} (seed {seed}, run {run.info.run_id})"


def _again(run: Run) -> str:
    """Say how to make a run again such that its weights are kept."""
    name, params, tuned = run.info.run_name, run.data.params, run.data.tags.get("tuned", "")
    number = params.get("seed", "0")
    settings = []
    if tuned and run.data.tags["head"]:
        return "a sweep keeps those of the best row alone: bench leaderboard lists the others"
    if tuned:
        name = f"{params['system.model']}-{params['system.schedule']}"
        keys = [f"train.{setting}" for setting in re.findall(r"(\w+)=", tuned)]
        settings = [part for key in keys for part in ("--set", f"{key}={params[key]}")]
    seed = [] if number == "0" else ["--seed", number]
    told = ["bench", "run", name, *settings, *seed, "--save-weights", "all", "--force"]
    return f"repeat it with the same --data, --weights and settings: {shlex.join(told)}"


def backbone_of(run: Run) -> str:
    """Id of the run that made a run's embeddings; a network's own."""
    return str(run.data.tags.get("backbone_run_id", run.info.run_id))


def read_predictions(
    store: Store, name: str, *, seed: int | None = None, context: str | None = None
) -> Predictions:
    """Read what the first of the runs that `find_runs` finds said of the test split.

    Raises:
        UserError: There is no such run, or what it stored is gone.
    """
    first = find_runs(store, name, seed=seed, context=context)[0]
    return stored_predictions(Tracker(store), first.info.run_id, "test")


def stored_predictions(tracker: Tracker, run_id: str, split: Split) -> Predictions:
    """Read what a completed run said of a split.

    Raises:
        UserError: What it stored is gone.
    """
    with tracker.artifact(run_id, "predictions") as folder:
        return Predictions.load(folder, split)
