"""A store that cannot be used is told in one line, within seconds, by all that read and write."""

from __future__ import annotations

import shlex
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow.store.db.utils
import optuna
import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from mlflow import MlflowClient

from benchmark.cli import main
from benchmark.ranking.runs import fetch
from benchmark.tracking import connection, database
from benchmark.tracking.database import _known_versions, deleted
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError
from tests.ranking.test_systems import log
from tests.test_cli import assert_one_line_error


def store_at(uri: str) -> Store:
    return Store(uri=uri, experiment="tests")


def assert_refused(store: Store, *parts: str) -> None:
    """Whoever writes to the store, looks runs up or reads its tables says the same."""
    for use in (Tracker, fetch, lambda store: next(search(store, ""))):
        with pytest.raises(UserError) as refused:
            use(store)
        for part in (*parts, "MLFLOW_TRACKING_URI"):
            assert part in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


def write_database(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as opened, opened:
        for statement in statements:
            opened.execute(statement)


def test_a_file_that_is_no_database(workplace: Path) -> None:
    content = "no database, but long enough to be taken for one"
    (workplace / "mlflow.db").write_text(content)
    assert_refused(Store(), "mlflow.db", "file is not a database")
    assert (workplace / "mlflow.db").read_text() == content
    assert_one_line_error(CliRunner().invoke(main, ["leaderboard"]), "not a database")


@pytest.mark.skipif(sys.platform != "linux", reason="has no /proc")
def test_a_database_that_cannot_be_made_is_told_at_once(workplace: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"/proc/mlflow.db.* (cannot be made|is read-only)"):
        Tracker(store_at("sqlite:////proc/mlflow.db"))  # root may write there, and nothing can be
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("table", ["runs", "tags", "latest_metrics"])
def test_a_database_that_is_damaged_within(store: Store, workplace: Path, table: str) -> None:
    log(Tracker(store), "good-scratch", 0.8, 0.8, workplace / "run")
    with closing(sqlite3.connect(workplace / "mlflow.db")) as opened:
        find = "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size() WHERE name = ?"
        page, size = opened.execute(find, (table,)).fetchone()
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (workplace / "mlflow.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes([255] * size))
    for command in (["leaderboard"], ["ls", "runs"], ["compare", "a", "b"]):
        assert_one_line_error(CliRunner().invoke(main, command), "mlflow.db", "malformed")


def test_a_folder_in_place_of_the_file(workplace: Path) -> None:
    (workplace / "mlflow.db").mkdir()
    assert_refused(Store(), "mlflow.db is a folder")


def test_a_file_in_place_of_the_folder(workplace: Path) -> None:
    (workplace / "a_file").touch()
    with pytest.raises(UserError, match=r"a_file/mlflow.db cannot be used: .*MLFLOW_TRACKING_URI"):
        Tracker(store_at(f"sqlite:///{workplace}/a_file/mlflow.db"))


def test_the_tables_of_other_programs_stay_alone(workplace: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{workplace}/mlflow.db")
    with pytest.raises(UserError, match="another program"):
        Tracker(Store())
    with closing(sqlite3.connect(workplace / "mlflow.db")) as opened:
        tables = opened.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'")
        assert not tables.fetchall()


@pytest.mark.parametrize(
    ("version", "remedy"), [("ffffffffffff", "uv sync"), ("451aebb31d03", "mlflow db upgrade")]
)
def test_tables_of_another_version_of_mlflow_are_not_changed(
    store: Store, workplace: Path, version: str, remedy: str
) -> None:
    # Of an older one, MLflow would make what is missing, and change the rest.
    write_database(
        workplace / "mlflow.db",
        f"UPDATE alembic_version SET version_num = '{version}'",
        "DROP TABLE webhook_events",
    )
    before = (workplace / "mlflow.db").read_bytes()
    with pytest.raises(UserError, match=remedy):
        Tracker(store)
    assert (workplace / "mlflow.db").read_bytes() == before


def test_a_store_that_may_not_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Tracker(store)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "mlflow.db")
    with pytest.raises(UserError, match=r"mlflow.db, or its folder, is read-only"):
        Tracker(store)
    assert not list(search(store, ""))


def test_an_empty_file_is_an_empty_store(workplace: Path, empty_database: Path) -> None:
    (workplace / "mlflow.db").touch()
    with pytest.raises(UserError, match=r"no experiment 'tests' yet; type: bench run"):
        fetch(Store())
    database.check_tables(Store())
    shutil.copy(empty_database, workplace)
    with pytest.raises(UserError, match=r"no experiment 'tests' yet; type: bench run"):
        fetch(store_at(f"sqlite:///{workplace}/mlflow.db?timeout=5"))


def test_the_commands_for_a_store_survive_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at("sqlite:////Bob's $data/mlflow.db")
    set_, *_ = shlex.split(str(deleted(store, "1")).partition("type: ")[2])
    assert set_ == f"MLFLOW_TRACKING_URI={store.uri}"
    monkeypatch.setattr(database, "_known_versions", lambda: ("2", frozenset({"1"})))
    with pytest.raises(UserError) as told:
        database._check_version(store, "1")
    command = str(told.value).partition("type: ")[2].partition("; to use")[0]
    assert shlex.split(command) == ["uv", "run", "mlflow", "db", "upgrade", store.uri]


def test_a_deleted_experiment_says_how_to_go_on(store: Store) -> None:
    tracker = Tracker(store)
    tracker.client.delete_experiment(tracker.experiment_id)
    told = (f"--experiment-id {tracker.experiment_id}", "MLFLOW_EXPERIMENT_NAME", "was deleted")
    assert_refused(store, *told)
    MlflowClient(store.uri).restore_experiment(tracker.experiment_id)
    assert Tracker(store).experiment_id == tracker.experiment_id


def test_a_command_whose_password_is_hidden_says_so() -> None:
    told = str(deleted(store_at("postgresql://me:secret@host/db"), "1"))
    assert "type, with the password in place of ***: MLFLOW_TRACKING_URI=" in told
    assert "place of" not in str(deleted(store_at("sqlite:///mlflow.db"), "1"))


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///:memory:", "sqlite://mlflow.db", "sqlite:mlflow.db"]
)
def test_an_sqlite_store_without_a_file(uri: str) -> None:
    with pytest.raises(UserError, match=r"names no file; .* sqlite:///FILE"):
        Tracker(store_at(uri))


def test_a_missing_driver_is_named() -> None:
    assert_refused(store_at("mysql://me:secret@127.0.0.1:9/db"), "uv pip install 'mysqlclient'")


def test_an_address_that_mlflow_does_not_know() -> None:
    assert_refused(store_at("postgres://me:secret@127.0.0.1:9/db"), "postgresql://…", "me:***@")
    assert_refused(store_at("./mlruns"), "maintenance mode", "sqlite:///FILE")
    assert_refused(store_at("http://HOST:PORT"), "no server answers", "http://HOST:PORT")
    assert_refused(store_at("postgresql://me:secret@h:five/db"), "'five'", "me:***@")


@contextmanager
def answering(status: int, content_type: str, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "told"),
    [
        (503, "text/html", "HTTP 503"),
        (200, "text/html", "unlike an MLflow server"),
        (404, "text/html", "unlike an MLflow server"),
        (401, "text/plain", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_server_that_is_not_mlflows_or_not_well(
    status: int, content_type: str, told: str
) -> None:
    start = time.monotonic()
    with answering(status, content_type, b"hello") as address:
        assert_refused(store_at(address), told, address)
    assert time.monotonic() - start < 10


def test_a_server_that_does_not_know_its_name_is_told_which_option_gives_it_one() -> None:
    refusal = b"Invalid Host header - possible DNS rebinding attack detected"  # MLflow's words
    with answering(403, "text/plain", refusal) as address:
        name = address.removeprefix("http://")
        assert_refused(store_at(address), f"--allowed-hosts {name}", address)


def test_a_server_that_is_down_or_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.2)
    start = time.monotonic()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        down = f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}"
        assert_refused(store_at(down), "no server answers", "refused", "http://***@")
        silent.listen()
        assert_refused(store_at(down), "no server answers", "timed out")
    assert time.monotonic() - start < 10


def test_versions_of_the_tables_are_those_of_mlflows_migrations() -> None:
    configure: Any = mlflow.store.db.utils._get_alembic_config
    script = ScriptDirectory.from_config(configure(""))
    newest, older = _known_versions()
    assert newest == script.get_current_head()
    assert older | {newest} == {one.revision for one in script.walk_revisions()}
    assert newest not in older
