"""A store that is away for a while is waited for; one that stays away fails what needs it."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import ConnectTimeout, HTTPError, Response
from sqlalchemy.exc import OperationalError

from benchmark.execution.executor import without_running
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.tracking.items import Metric
from benchmark.tracking.patience import LIMIT_SECONDS, Patience, StoreAway, is_away
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.studies import launch


class Answers(BaseHTTPRequestHandler):
    """As MLflow's server answers the question for an experiment."""

    def do_GET(self) -> None:
        body = json.dumps({"experiment": {"experiment_id": "7", "name": "tests"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody really sleeps; how long is remembered."""
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    monkeypatch.setattr("benchmark.tracking.patience.time", clock)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return slept


@pytest.mark.parametrize(
    ("status", "waits"), [(500, True), (503, True), (400, False), (401, False), (404, False)]
)
def test_a_server_that_fails_is_waited_for_and_one_that_refuses_is_not(
    status: int, waits: bool
) -> None:
    response = Response()
    response.status_code = status
    error = MlflowException("it did not work")
    error.__cause__ = HTTPError(response=response)
    assert is_away(error) is waits


def away(*args: Any, **kwargs: Any) -> Any:
    """Fail as MLflow's client does when its database has gone."""
    gone = OperationalError("SELECT 1", {}, Exception("connection refused"))
    raise MlflowException(str(gone)) from gone


def test_a_server_is_waited_for(
    port: int, naps: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = MlflowClient(f"http://127.0.0.1:{port}")
    Patience("the store", client)
    servers: list[HTTPServer] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            servers.append(HTTPServer(("127.0.0.1", port), Answers))
            threading.Thread(target=servers[0].serve_forever, daemon=True).start()

    clock = SimpleNamespace(sleep=nap, monotonic=lambda: sum(naps))
    monkeypatch.setattr("benchmark.tracking.patience.time", clock)
    found = client.get_experiment_by_name("tests")
    assert found is not None
    assert found.experiment_id == "7"
    assert naps == [1, 2, 4]
    gone, back = caplog.messages
    assert "the store does not answer (" in gone
    assert "refused" in gone
    assert back == "the store answers again, after 7 s"
    servers[0].shutdown()
    servers[0].server_close()


def test_one_that_stays_away_is_given_up_once_for_all(
    store: Store, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MlflowClient, "search_runs", away)
    tracker = Tracker(store)
    with pytest.raises(StoreAway, match=r"connection refused.*the same command goes on"):
        tracker.find_completed({"spec_id": "x"})
    assert LIMIT_SECONDS <= sum(naps) < LIMIT_SECONDS + 30
    count = len(naps)
    with pytest.raises(StoreAway):
        tracker.find_completed({"spec_id": "x"})
    assert len(naps) == count  # the neighbours need not wait as long again


def test_requests_that_nothing_answers_are_part_of_the_wait(naps: list[float]) -> None:
    def keep_silent() -> None:
        naps.append(240.0)
        raise ConnectTimeout

    client = SimpleNamespace(ask=keep_silent)
    patience = Patience("the store", client)
    with pytest.raises(StoreAway), patience.suspended():  # which is no wait
        client.ask()
    naps.clear()
    with pytest.raises(StoreAway):
        client.ask()
    assert naps == [240, 1, 240, 2, 240]


def test_metrics_wait_for_the_store_and_training_does_not(
    store: Store, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(store)
    monkeypatch.setattr("benchmark.tracking.tracked_run.FLUSH_SECONDS", 0.0)
    with tracker.start("run", {}) as run:
        with monkeypatch.context() as patch:
            patch.setattr(tracker.client._tracking_client, "log_batch", away)
            run.log(Metric("loss", 2.0, 1))
            run.log(Metric("loss", 1.0, 2))
        assert not naps
    history = tracker.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]


def test_who_has_been_asked_to_end_waits_no_more(
    store: Store, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(store)
    run = tracker.start("run", {})
    monkeypatch.setattr(tracker.client._tracking_client, "set_terminated", away)
    with pytest.raises(KeyboardInterrupt), run:
        raise KeyboardInterrupt
    assert not naps


def test_the_next_study_of_a_notebook_waits_again(
    config: Config, store: Store, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker(store)
    tracker.patience.end()
    with launch(config, "basic_cnn").tidying(()) as again:
        monkeypatch.setattr(tracker.client._tracking_client, "set_terminated", away)
        with pytest.raises(StoreAway):
            again.client.set_terminated("0" * 32)
    assert sum(naps) >= LIMIT_SECONDS


def test_a_run_whose_completion_cannot_be_looked_up_fails_alone(
    naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*args: object) -> str:
        raise StoreAway("the store has not answered")

    monkeypatch.setattr("benchmark.execution.executor.find_run", find)
    spec: Any = SimpleNamespace(needs=(), name="one")
    options: Any = None
    outcome = without_running(spec, {}, options, False)
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("failed", "the store has not answered")


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("database is locked", True),
        ("database or disk is full", False),
        ("attempt to write a readonly database", False),
    ],
)
def test_of_sqlites_errors_only_a_lock_passes_by_itself(reason: str, waits: bool) -> None:
    assert is_away(OperationalError("", {}, sqlite3.OperationalError(reason))) is waits


def test_other_errors_are_not_waited_for() -> None:
    assert not is_away(ValueError("no such metric"))
    assert not is_away(OSError("disk full"))
