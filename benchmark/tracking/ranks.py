"""Turns the order of the leaderboard into a tag of each run, by which MLflow's pages sort them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark.tracking.writer import Tracker

RANK = "rank"
"""The place of a run's system in the leaderboard: 001 is the best."""


def write_ranks(tracker: Tracker, before: Mapping[str, str], order: Iterable[list[str]]) -> None:
    """Tag the runs of one set anew.

    Args:
        tracker: Of the store.
        before: Of each of its runs, by id, the tag that it has; empty for none.
        order: The runs of each system, the best first; those of none have no tag afterwards.
    """
    ranks = {run_id: f"{rank:03}" for rank, own in enumerate(order, start=1) for run_id in own}
    for run_id, old in before.items():
        now = ranks.get(run_id, "")
        if now and now != old:
            tracker.client.set_tag(run_id, RANK, now)
        elif old and not now:
            _remove(tracker, run_id)


def _remove(tracker: Tracker, run_id: str) -> None:
    """Remove a run's tag, unless another process has just done so."""
    from mlflow.exceptions import MlflowException

    try:
        tracker.client.delete_tag(run_id, RANK)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
