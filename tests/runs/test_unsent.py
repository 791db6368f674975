"""A run whose server goes away under it is trained to its end, and sent by the next start."""

from __future__ import annotations

import logging
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.terminal.planned import print_plan
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from tests.studies import FROZEN, HEAD, Quiet, files, launch, run, tracked
from tests.tracking.away import Served

UNSENT = Path("home/unsent")


class TakesAway(Quiet):
    """Takes the server away in the second epoch of a run."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        if spec.name == FROZEN and result.epoch == 2:
            self._served.stop()


def test_a_run_whose_server_is_gone_is_sent_by_the_next_start(
    config: Config,
    store: Store,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("benchmark.tracking.patience.LIMIT_SECONDS", 0.0)
    monkeypatch.setattr("benchmark.tracking.tracked_run.FLUSH_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    served = Served(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.store.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", served.store.experiment)
    served.start()

    names = ["basic_cnn", FROZEN, HEAD]
    taking = TakesAway(served)
    began = run(config, *names, save_weights="best", explain=True, listener=taking)
    frozen, head = began[FROZEN], began[HEAD]
    assert frozen.status == "unsent"
    [kept] = UNSENT.iterdir()
    assert frozen.reason.startswith(f"its results are in {kept}: the MLflow store {served.store}")
    assert frozen.reason.endswith("the same command goes on and sends them")
    assert head.status == "skipped"
    assert head.reason == f"needs {frozen.spec.label}, which is not in the store yet"
    open_tracker.cache_clear()
    caplog.clear()
    caplog.set_level(logging.INFO, "benchmark")

    served.start()
    console = Console(file=StringIO(), width=200)
    print_plan(console, launch(config, "basic_cnn", FROZEN, HEAD))
    planned = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    [waits] = [line for line in planned if "its results wait to be sent" in line]
    assert frozen.spec.label in waits
    listener = Quiet()
    ended = run(config, *names, save_weights="best", explain=True, listener=listener)
    assert caplog.messages == [f"sent the results of 1 run that the store did not take: {FROZEN}"]
    assert [*UNSENT.iterdir()] == []
    assert listener.begun == [HEAD]
    assert {outcome.status for outcome in ended.values()} == {"completed"}
    [sent] = tracked(served.store, FROZEN)
    [whole] = tracked(served.store, "basic_cnn-scratch")
    assert sent.info.status == "FINISHED"
    assert sent.data.params.keys() == whole.data.params.keys()
    missing = whole.data.metrics.keys() - sent.data.metrics.keys()
    assert missing <= {"gradient_norm"}  # which a frozen network does not have
    tracker = open_tracker(served.store)
    history = tracker.client.get_metric_history(sent.info.run_id, "val_accuracy")
    assert [point.step for point in history] == list(range(1, len(history) + 1))
    assert len(history) == sent.data.metrics["epochs_run"]
    wanted = {"config.json", "predictions", "explanations", "images", "embeddings.safetensors"}
    assert {*wanted, "weights.safetensors", "training.png"} <= files(tracker, sent.info.run_id)
    pictures = [len(files(tracker, made.info.run_id, "images")) for made in (sent, whole)]
    assert pictures[0] == pictures[1] > 0
    assert "explanations" in sent.data.tags["mlflow.note.content"]
    served.stop()
