import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.tracking.items import Artifact, Metric, Param, Tag
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import Skipped, TrackedRun
from benchmark.tracking.writer import Tracker
from tests.studies import artifact


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def read(tracker: Tracker, run: TrackedRun) -> Run:
    return tracker.client.get_run(run.id)


def test_all_kinds_of_items_arrive(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    with tracker.start("one", {"group": "g"}) as run:
        run.log(Param("lr", 0.1), Metric("loss", 2.0, 0), Metric("loss", 1.0, 1), Tag("a", "b"))
        run.log(Artifact(tmp_path / "note.txt", "texts"))
    found = read(tracker, run)
    assert found.info.run_name == "one"
    assert found.info.status == "FINISHED"
    assert found.data.params == {"lr": "0.1"}
    assert found.data.metrics == {"loss": 1.0}
    assert {"group": "g", "a": "b", "completed": "true"}.items() <= found.data.tags.items()
    history = tracker.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 1.0)]
    assert artifact(tracker, run.id, "texts/note.txt").read_text() == "hello"


def test_more_items_than_one_request_takes_arrive(tracker: Tracker) -> None:
    with tracker.start("many", {}) as run:
        run.log(*(Metric("m", float(i), i) for i in range(2500)))
        run.log(*(Param(f"p{i}", i) for i in range(150)))
        run.log(*(Tag(f"t{i}", "x") for i in range(150)))
    assert len(tracker.client.get_metric_history(run.id, "m")) == 2500
    found = read(tracker, run)
    assert len(found.data.params) == 150
    assert found.data.tags["t149"] == "x"


def test_metrics_go_out_in_one_request(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []
    send = tracker.client.log_batch

    def counted(run_id: str, **batch: Any) -> Any:
        requests.append(run_id)
        return send(run_id, **batch)

    monkeypatch.setattr(tracker.client, "log_batch", counted)
    with tracker.start("quiet", {}) as run:
        for epoch in range(50):
            run.log(Metric("loss", 1.0, epoch), Metric("accuracy", 0.5, epoch))
    assert len(requests) == 1


def test_a_failed_run_keeps_its_figures_and_its_traceback(tracker: Tracker) -> None:
    run = tracker.start("bad", {"spec_id": "x"})
    run.log(Metric("loss", 3.0))
    with pytest.raises(ZeroDivisionError), run:
        1 / 0  # noqa: B018
    found = read(tracker, run)
    assert found.info.status == "FAILED"
    assert found.data.metrics == {"loss": 3.0}
    assert found.data.tags["error"] == "ZeroDivisionError: division by zero"
    traceback = artifact(tracker, run.id, "traceback.txt").read_text()
    assert "1 / 0" in traceback
    assert tracker.find_completed({"spec_id": "x"}) is None


def test_a_full_disk_is_told_with_what_to_do(tracker: Tracker) -> None:
    run = tracker.start("full", {})
    with pytest.raises(OSError, match="No space"), run:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.safetensors")
    told = "No space left on device: weights.safetensors; make room, then type the same again"
    assert read(tracker, run).data.tags["error"] == told


def test_a_run_whose_files_are_refused_ends_and_says_why(
    tracker: Tracker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "artifacts")

    monkeypatch.setattr(tracker.client, "log_artifact", refuse)
    (tmp_path / "note.txt").write_text("hello")
    run = tracker.start("refused", {})
    with pytest.raises(PermissionError), run:
        run.log(Artifact(tmp_path / "note.txt"))
    found = read(tracker, run)
    assert found.info.status == "FAILED"
    assert found.data.tags["error"].startswith("Permission denied: artifacts; make it writable")
    assert "the traceback of refused cannot be kept (PermissionError" in caplog.text


def test_a_skipped_run_carries_its_reason_and_no_traceback(tracker: Tracker) -> None:
    with pytest.raises(Skipped), tracker.start("skip", {"spec_id": "x"}) as run:
        raise Skipped("no weights")
    found = read(tracker, run)
    assert found.info.status == "KILLED"
    assert found.data.tags["skipped"] == "no weights"
    assert not tracker.client.list_artifacts(run.id)
    assert tracker.find_completed({"spec_id": "x"}) is None


def test_an_interrupted_run_is_not_complete(tracker: Tracker) -> None:
    with pytest.raises(KeyboardInterrupt), tracker.start("stop", {"spec_id": "x"}) as run:
        raise KeyboardInterrupt
    assert read(tracker, run).info.status == "KILLED"
    assert tracker.find_completed({"spec_id": "x"}) is None


def test_the_newest_completed_run_with_all_tags_is_found(tracker: Tracker) -> None:
    ids = []
    for kept in ("no", "yes", "yes"):
        with tracker.start("one", {"spec_id": "x", "kept": kept}) as run:
            ids.append(run.id)
    assert tracker.find_completed({"spec_id": "x", "kept": "yes"}) == ids[2]
    assert tracker.find_completed({"spec_id": "x", "kept": "no"}) == ids[0]
    assert tracker.find_completed({"spec_id": "y"}) is None


def test_a_new_store_lets_readers_in_while_it_is_written(tracker: Tracker, workplace: Path) -> None:
    with sqlite3.connect(workplace / "mlflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_new_experiment_opens_as_model_development(tracker: Tracker, store: Store) -> None:
    experiment = MlflowClient(store.uri).get_experiment(tracker.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "test_accuracy" in experiment.tags["mlflow.note.content"]
    assert "mlflow.sharedViewState.study" in experiment.tags
