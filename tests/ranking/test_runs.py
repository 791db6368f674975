"""Which runs of a store are rows, and which of those alike counts."""

import time
from datetime import datetime
from itertools import starmap

import pandas as pd
import pytest

from benchmark.ranking.contexts import choose
from benchmark.ranking.runs import fetch, run_states
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary
from benchmark.tracking.items import Metric, Param
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_tables import ALIKE, NETWORK_TAGS, PARAMS, log, log_head


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def test_weights_of_one_name_are_told_apart_by_their_ids(tracker: Tracker, store: Store) -> None:
    for id_, seed in (("aaaaaaaa", 0), ("bbbbbbbb", 0), ("bbbbbbbb", 1)):
        with tracker.start("net-frozen", NETWORK_TAGS | ALIKE | {"weights": "demo"}) as run:
            values = {**PARAMS, "seed": seed, "weights_id": id_, "system.model": "net"}
            run.log(*starmap(Param, values.items()), Metric("test_accuracy", 0.5))
    table = summary(rank_systems(store, fetch(store))).set_index("weights")
    assert table["seeds"].to_dict() == {"demo bbbbbb": 2, "demo aaaaaa": 1}


def test_seeds_of_a_plugins_earlier_code_are_no_repeats(tracker: Tracker, store: Store) -> None:
    for code, seed in (("old", 0), ("old", 1), ("new", 0)):
        with tracker.start("net-scratch", NETWORK_TAGS | ALIKE) as run:
            run.log(*starmap(Param, {**PARAMS, "seed": seed, "code_id": code}.items()))
            run.log(Metric("test_accuracy", 0.5 if code == "old" else 0.7))
    runs = fetch(store)
    assert runs["test_accuracy"].tolist() == [0.7]


def test_a_plugin_put_back_to_earlier_code_has_its_figures_of_then(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code, accuracy in (("old", 0.5), ("new", 0.7)):
        with tracker.start("net-scratch", NETWORK_TAGS | ALIKE) as run:
            run.log(*starmap(Param, {**PARAMS, "code_id": code}.items()))
            run.log(Metric("test_accuracy", accuracy))
    monkeypatch.setattr("benchmark.ranking.runs.code_id", lambda factory: "old")
    assert fetch(store)["test_accuracy"].tolist() == [0.5]


def test_a_repeated_run_counts_once_with_its_newest_result(tracker: Tracker, store: Store) -> None:
    for accuracy in (0.1, 0.3):
        log(tracker, "same", NETWORK_TAGS, test_accuracy=accuracy, best_val_accuracy=0.1)
    assert summary(rank_systems(store, fetch(store)))["test_accuracy"].tolist() == [0.3]


def test_a_sweeps_row_is_its_best_by_the_seed_it_was_found_with_not_its_newest(
    tracker: Tracker, store: Store
) -> None:
    for tuned, seed, accuracy in (("a", 0, 0.7), ("a", 7, 0.9), ("b", 0, 0.8), ("c", 0, 0.6)):
        with tracker.start("net-sweep-00000000", {**NETWORK_TAGS, **ALIKE, "tuned": tuned}) as run:
            run.log(*starmap(Param, {**PARAMS, "seed": seed}.items()))
            run.log(Metric("best_val_accuracy", accuracy), Metric("test_accuracy", 0.5))
    assert fetch(store)["tuned"].tolist() == ["b"]


def test_pretraining_failures_and_unfinished_runs_stay_off_the_table_but_are_listed(
    tracker: Tracker, store: Store
) -> None:
    log(tracker, "good", NETWORK_TAGS, test_accuracy=0.1, best_val_accuracy=0.1)
    log(tracker, "pre", {**NETWORK_TAGS, "group": "pretraining"}, test_accuracy=0.9)
    with pytest.raises(ZeroDivisionError), tracker.start("bad", NETWORK_TAGS):
        1 / 0  # noqa: B018
    tracker.start("hanging", NETWORK_TAGS)
    assert fetch(store)["run"].tolist() == ["good"]
    states = run_states(store).set_index("run")
    assert states["status"].to_dict() == {
        "hanging": "running",
        "bad": "failed",
        "pre": "completed",
        "good": "completed",
    }
    assert "division by zero" in states["reason"]["bad"]


def test_when_a_run_started_is_told_by_the_clock_of_this_machine_with_its_offset(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = tracker.start("net", NETWORK_TAGS).id
    began = tracker.client.get_run(id_).info.start_time // 1000
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        (told,) = map(str, run_states(store)["started"])
    time.tzset()
    assert told.endswith("+05:30")
    assert datetime.fromisoformat(told).timestamp() == began


def test_an_empty_store_says_what_to_type(store: Store, tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="type: bench run --all"):
        fetch(store)


def test_a_server_and_a_database_give_the_same_table(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(5):
        log(tracker, f"run{i}", NETWORK_TAGS, test_accuracy=i / 7, best_val_accuracy=0.1)
    log(tracker, "diverged", NETWORK_TAGS, test_accuracy=0.1, test_log_loss=float("nan"))
    log_head(tracker, 100, "experiment 1", 0.3, test_accuracy=0.2, best_val_accuracy=0.2)
    deleted = fetch(store).set_index("run")["run_id"]["run3"]
    tracker.client.delete_run(str(deleted))
    log(tracker, "other", {**NETWORK_TAGS, "context": "b2"}, test_accuracy=0.1)
    from_database = fetch(store), run_states(store)
    newest = choose(store, None).runs
    # as it is with an MLflow server
    monkeypatch.setattr(Store, "is_database", False)
    monkeypatch.setattr("benchmark.tracking.reader.PAGE", 2)
    for ours, theirs in zip(from_database, (fetch(store), run_states(store)), strict=True):
        assert len(ours) == 7
        pd.testing.assert_frame_equal(ours, theirs)
    assert newest["run"].tolist() == ["other"]
    pd.testing.assert_frame_equal(newest, choose(store, None).runs)
