"""Turns the MLflow store into pages: saves the views that they open with, and serves them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from benchmark.pages.start_page import SERVED_FOR
from benchmark.processes.identity import this_process
from benchmark.ranking.contexts import choose
from benchmark.ranking.systems import Ranking, tag_ranks
from benchmark.tracking.claims import end_dead_runs
from benchmark.tracking.saved_views import SCORED, comparison_view, study_views
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError

GRACE_SECONDS = 5.0
"""How long the server may take to end by itself."""
IMAGES = 6
"""How many images of each run the comparison shows."""
_QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a second process, for language models
    "PYTHONWARNINGS": "ignore",
    "PYTHONSAFEPATH": "1",
}
# Uvicorn would take modules from the current folder first; Python looks into this one in any case.
_UVICORN = f"--log-level warning --app-dir {shlex.quote(sysconfig.get_path('stdlib'))}"


def save_views(store: Store) -> dict[str, str]:
    """Save views of the newest context's runs in MLflow, in place of those saved before.

    Args:
        store: Created where it is missing.

    Returns:
        What the views show, and the rest of their addresses after the server's.

    Raises:
        UserError: The store cannot be reached.
    """
    tracker = Tracker(store)
    end_dead_runs(tracker)
    addresses = {"Runs, best first": _address(tracker, "study")}
    views = study_views()
    try:
        chosen = choose(store, None)
    except UserError:  # no run is completed yet
        pass
    else:
        runs = chosen.runs
        views = study_views(f"tags.context = '{chosen.contexts[0].id}' and {SCORED}")
        ranking = tag_ranks(store, tracker, runs)
        best = _best(ranking)
        views.append(comparison_view(best, _images(tracker, best)))
        title = "The best of each experiment, side by side"
        addresses[title] = _address(tracker, "best", compareRunsMode="CHART")
    tracker.set_experiment_tags(dict(view.tag() for view in views))
    return addresses


def _best(ranking: Ranking) -> list[str]:
    """The best repeat of the system of each part of the study that validation prefers."""
    ranked = ranking.table.sort_values("best_val_accuracy", ascending=False, kind="stable")
    return [*ranked.drop_duplicates("group")["run_id"]]


def _images(tracker: Tracker, run_ids: list[str]) -> list[str]:
    """Keys of images that were logged by most of the runs."""
    # MLflow's file names: KEY+step+0+timestamp+…, with ~ for each / of the key
    logged = Counter(
        key
        for run_id in run_ids
        for key in {
            Path(file.path).name.partition("+")[0].replace("~", "/")
            for file in tracker.client.list_artifacts(run_id, "images")
        }
    )
    return [key for key, _ in sorted(logged.items(), key=lambda one: (-one[1], one[0]))][:IMAGES]


def _address(tracker: Tracker, view: str, **more: str) -> str:
    query = urlencode({"viewStateShareKey": view, **more})
    return f"/#/experiments/{tracker.experiment_id}/runs?{query}"


def _told(store: Store) -> dict[str, str]:
    """What the server is told by its environment: all on this machine may read command lines."""
    return {"MLFLOW_BACKEND_STORE_URI": store.uri, SERVED_FOR: str(this_process())}


@contextmanager
def serving(store: Store, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve MLflow's pages; they answer once the ``with`` block begins.

    Args:
        store: A database that exists.
        host: This machine's address.
        port: A free one.

    Raises:
        RuntimeError: The server ends instead; the message has all that it said.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--app-name", "bench", "--workers", "1", "--uvicorn-opts", _UVICORN]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command,
            env=os.environ | _QUIET | _told(store),
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for bench alone, which then ends the server
        )
        try:
            _wait_for(server, f"http://{host}:{port}/health", log)
            yield server
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, which waits for open pages as long as they are open."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(server.pid, how)
            server.wait(GRACE_SECONDS)


def _wait_for(server: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    direct = build_opener(ProxyHandler({}))  # a proxy does not know what listens on this machine
    while server.poll() is None:
        try:
            with direct.open(address, timeout=GRACE_SECONDS):
                return
        except OSError:
            time.sleep(0.2)
    log.seek(0)
    told = log.read().decode(errors="replace").strip()
    raise RuntimeError(f"MLflow's server has ended with exit code {server.returncode}: {told}")
