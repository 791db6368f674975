"""Where runs are tracked, by mlflow.env and the environment, and what is shown of it."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from benchmark.cli import main
from benchmark.tracking.store import DEFAULTS, Store, load_environment
from registry.errors import UserError


@pytest.fixture
def unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with none of the variables that bench sets."""
    for name in (*DEFAULTS, "PYTHONPATH", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "BENCH_HOME"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_mlflow_env_is_read_and_the_real_environment_wins(
    unset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    (unset / "mlflow.env").write_text(
        "MLFLOW_TRACKING_URI=sqlite:///other.db\nMLFLOW_EXPERIMENT_NAME=from-file\n"
    )
    assert load_environment() == []
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///other.db"
    assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "mine"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"  # an embedded default


def test_an_empty_variable_counts_as_unset(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    (unset / "mlflow.env").write_text("MLFLOW_EXPERIMENT_NAME=\n")
    load_environment()
    assert Store() == Store(uri="sqlite:///mlflow.db", experiment="image-classifiers")


def test_mlflow_env_sets_what_is_mlflows_or_ours_and_names_what_is_not(unset: Path) -> None:
    (unset / "mlflow.env").write_text(
        "PYTHONPATH=evil\nAWS_CONFIG_FILE=evil\nAWS_ACCESS_KEY_ID=mine\nBENCH_HOME=home\n"
    )
    result = CliRunner().invoke(main, ["ls", "presets"])
    assert result.exit_code == 0
    told = "mlflow.env may set MLFLOW_…, BENCH_… and a cloud's credentials, not "
    assert result.stderr == f"{told}AWS_CONFIG_FILE, PYTHONPATH\n"
    assert (os.environ["BENCH_HOME"], os.environ["AWS_ACCESS_KEY_ID"]) == ("home", "mine")
    assert not os.environ.keys() & {"PYTHONPATH", "AWS_CONFIG_FILE"}


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite"])
def test_an_address_that_mlflow_would_not_expand_is_refused(unset: Path, scheme: str) -> None:
    (unset / "mlflow.env").write_text(f"MLFLOW_TRACKING_URI={scheme}:///~/mlflow.db\n")
    load_environment()
    with pytest.raises(UserError, match=r"in a folder called ~; write the whole path"):
        Store()
    assert Store(uri=f"{scheme}:///./~/mlflow.db").file == Path("./~/mlflow.db")


@pytest.mark.parametrize(
    "content", [b"MLFLOW_EXPERIMENT_NAME=\xff\xfe", b"MLFLOW_EXPERIMENT_NAME=a\0b"]
)
def test_an_mlflow_env_that_is_no_text_is_named(unset: Path, content: bytes) -> None:
    (unset / "mlflow.env").write_bytes(content)
    with pytest.raises(UserError, match=r"mlflow.env cannot be read"):
        load_environment()


def test_the_shipped_mlflow_env_says_what_the_embedded_defaults_say() -> None:
    values = dotenv_values(Path(__file__).parents[2] / "mlflow.env")
    assert values.pop("MLFLOW_BACKEND_STORE_URI") == DEFAULTS["MLFLOW_TRACKING_URI"]
    assert values == DEFAULTS


def test_what_is_started_takes_no_module_from_the_current_folder(unset: Path) -> None:
    for module in ("multiprocessing", "pickle", "torch", "flask"):
        (unset / f"{module}.py").write_text("open('it ran', 'w')")
    assert CliRunner().invoke(main, ["ls", "presets"]).exit_code == 0
    process = multiprocessing.get_context("spawn").Process(target=os.getcwd)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not (unset / "it ran").exists()


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:////a/b c.db?timeout=5", "/a/b c.db"),
        ("sqlite+pysqlite:///x/y.db", "x/y.db"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "x.db"),
        ("postgresql://host/database", None),
        ("http://host:5000", None),
        ("http://HOST:PORT", None),
    ],
)
def test_the_file_of_an_sqlite_store_is_found_in_its_address(uri: str, file: str | None) -> None:
    assert Store(uri=uri, experiment="x").file == (None if file is None else Path(file))


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:pass/w?rd@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me@host/db?password=secret", "postgresql://me@host/db?password=***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dsecret", "mssql+pyodbc:///?odbc_connect=***"),
        ("https://me:secret@host/x@y", "https://***@host/x@y"),
        ("https://token@host:5000", "https://***@host:5000"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("sqlite:///you@me:x.db", "sqlite:///you@me:x.db"),
    ],
)
def test_a_password_is_neither_shown_nor_told_in_an_error(uri: str, shown: str) -> None:
    assert str(Store(uri=uri, experiment="x")) == shown
    assert uri not in repr(Store(uri=uri, experiment="x"))
    assert str(UserError(f"the store {uri} is down (about {uri})")).count(shown) == 2
