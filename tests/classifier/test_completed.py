"""Completed runs are found by their names, whatever somebody called them in MLflow."""

from __future__ import annotations

import pytest

from benchmark.classifier.completed import find_runs
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_tables import NETWORK_TAGS, log


@pytest.mark.parametrize("name", ["Bob's best", 'the "best"', "50% \\ new"])
def test_a_renamed_run_is_found(store: Store, name: str) -> None:
    tracker = Tracker(store)
    log(tracker, "convmixer", NETWORK_TAGS, test_accuracy=0.5, best_val_accuracy=0.5)
    (run,) = find_runs(store, "convmixer")
    tracker.client.update_run(run.info.run_id, name=name)
    (renamed,) = find_runs(store, name)
    assert renamed.info.run_id == run.info.run_id
