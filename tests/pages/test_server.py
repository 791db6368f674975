"""What MLflow's pages are told to open with, written to a real store."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from benchmark.cli import main
from benchmark.pages.server import _wait_for, save_views, serving
from benchmark.ranking.contexts import choose
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_tables import log


def saved(store: Store, view: str) -> dict[str, Any]:
    experiment = MlflowClient(store.uri).get_experiment_by_name(store.experiment)
    assert experiment is not None
    envelope = json.loads(experiment.tags[f"mlflow.sharedViewState.{view}"])
    packed = envelope["state"].removeprefix("deflate;")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def found(store: Store, view: str) -> list[str]:
    """Names of the runs that MLflow finds for a view, in the view's order."""
    tracker = Tracker(store)
    state = saved(store, view)
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    runs = tracker.client.search_runs(
        [tracker.experiment_id], state["searchFilter"], order_by=[order]
    )
    return [run.info.run_name for run in runs]


def newest(store: Store) -> pd.DataFrame:
    return choose(store, None).runs


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def tracker(store: Store) -> Tracker:
    """Of a store with two contexts, the older one with the better accuracy, and a pretraining."""
    tracker = Tracker(store)
    for name, context, group, test, val in (
        ("old", "a1", "from scratch", 0.9, 0.9),
        ("lucky", "b2", "from scratch", 0.8, 0.3),
        ("good", "b2", "from scratch", 0.5, 0.4),
        ("staged", "b2", "experiment 1", 0.7, 0.5),
        ("pretrained", "b2", "pretraining", 0.8, 0.8),
    ):
        tags = {"system": name, "group": group, "model": name, "context": context}
        log(tracker, name, tags, test_accuracy=test, best_val_accuracy=val)
    return tracker


def test_the_study_opens_with_the_newest_context_in_the_order_of_the_leaderboard(
    tracker: Tracker, store: Store
) -> None:
    save_views(store)
    in_order = ["staged", "lucky", "good"]  # the best on validation first
    assert summary(rank_systems(store, newest(store)))["run"].tolist() == in_order
    assert found(store, "study") == in_order
    tags = {"system": "new", "group": "from scratch", "model": "new", "context": "b2"}
    log(tracker, "new", tags, test_accuracy=0.1, best_val_accuracy=0.9)
    save_views(store)
    assert found(store, "study") == ["new", "lucky", "staged", "good"]
    columns = saved(store, "study")["selectedColumns"]
    assert {"metrics.`test_accuracy`", "tags.`group`", "params.`head.n_estimators`"} <= {*columns}
    by = saved(store, "groups")["groupBy"]["groupByKeys"]
    assert by == [{"mode": "tag", "groupByData": "group"}]


def test_the_comparison_has_the_best_on_validation_of_each_part_and_their_images(
    tracker: Tracker, store: Store
) -> None:
    for run in tracker.client.search_runs([tracker.experiment_id], "tags.context = 'b2'"):
        picture = np.zeros((4, 4, 3), dtype=np.uint8)
        tracker.client.log_image(run.info.run_id, picture, key="explanations/cat", step=0)
    addresses = save_views(store)
    assert found(store, "best") == ["staged", "good"]
    charts = saved(store, "best")["compareRunCharts"]
    assert [one["imageKeys"] for one in charts if one["type"] == "IMAGE"] == [["explanations/cat"]]
    assert any("viewStateShareKey=best" in address for address in addresses.values())


def test_a_store_without_completed_runs_has_one_link(store: Store) -> None:
    assert len(save_views(store)) == 1
    assert found(store, "study") == []


def test_the_server_takes_no_module_from_the_current_folder_and_names_no_store(
    store: Store, workplace: Path
) -> None:
    for module in ("flask", "uvicorn", "mlflow", "benchmark", "numpy", "typing_extensions"):
        (workplace / f"{module}.py").write_text("open('it ran', 'w')")
    with serving(store, "127.0.0.1", free_port()) as server:
        family = [psutil.Process(server.pid)]
        family += family[0].children(recursive=True)
        commands = " ".join(word for process in family for word in process.cmdline())
    assert len(family) > 1
    assert "uvicorn" in commands
    assert store.uri not in commands
    assert not (workplace / "it ran").exists()


def test_all_that_a_server_said_is_told_if_it_ends(store: Store) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        serves = serving(store, "127.0.0.1", other.getsockname()[1])
        with pytest.raises(RuntimeError, match=r"exit code \d+: (.|\n)*address already in use"):
            serves.__enter__()


def test_a_busy_port_is_told_in_one_line(store: Store) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(main, ["ui", "--port", str(port)])
    assert result.exit_code == 2
    remedy = f"name another: bench ui … --port {port + 1}"
    assert result.stderr == f"Error: port {port} is in use; {remedy}\n"


def test_no_proxy_is_asked_for_what_listens_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with HTTPServer(("127.0.0.1", 0), Ready) as listening, TemporaryFile() as log:
        Thread(target=listening.handle_request, daemon=True).start()
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"]) as ends:
            _wait_for(ends, f"http://127.0.0.1:{listening.server_port}/health", log)
            ends.kill()
