"""Turns a store's database into a connection, or into one line that says why it cannot be used."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.tracking.store import Store
from registry.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

ANSWER_SECONDS = 10
"""How long a server may take to answer the first question; MLflow would ask again for minutes."""
_PATIENCE: dict[str, dict[str, Any]] = {
    "psycopg": {"connect_timeout": ANSWER_SECONDS},
    "psycopg2": {"connect_timeout": ANSWER_SECONDS},
    "pymysql": {"connect_timeout": ANSWER_SECONDS},
    "mysqldb": {"connect_timeout": ANSWER_SECONDS},
    "pyodbc": {"timeout": ANSWER_SECONDS},
}
"""What each driver calls it."""
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""What is to be installed for a driver that is called otherwise."""
_VERSION = "alembic_version"
_REVISION = re.compile(r"""^(down_)?revision\s*=\s*["'](\w+)["']""", re.MULTILINE)
_TINY = 1_000_000
"""Bytes: with fewer left, SQLite's errors have other names."""


def unusable(store: Store, reason: str) -> UserError:
    """An error that says in one line why a store cannot be used.

    Args:
        store: The store.
        reason: Why, and what to do about it besides; of more than one sentence, the first is told.
    """
    first = (reason.strip().splitlines() or ["it does not say why"])[0].partition(". ")[0]
    folder = None if store.file is None else store.file.absolute().parent
    if folder and folder.is_dir() and shutil.disk_usage(folder).free < _TINY:
        first += ", and its disk is full: make room"
    return UserError(
        f"the MLflow store {store} cannot be used: {first}; to use another, set "
        "MLFLOW_TRACKING_URI, here or in mlflow.env, to sqlite:///FILE, postgresql://… or "
        "http://HOST:PORT"
    )


def find_experiment(connection: Connection, store: Store) -> str | None:
    """Look up the id of a store's experiment in MLflow's table.

    Returns:
        The id, or None if there is none yet.

    Raises:
        UserError: The experiment was deleted.
    """
    from sqlalchemy import column, select, table

    experiments = table("experiments", *map(column, ("experiment_id", "name", "lifecycle_stage")))
    query = select(experiments).where(experiments.c.name == store.experiment)
    found = connection.execute(query).one_or_none()
    if found is not None and found.lifecycle_stage == "deleted":
        raise deleted(store, found.experiment_id)
    return None if found is None else str(found.experiment_id)


def deleted(store: Store, experiment_id: str) -> UserError:
    """An error that says how to go on after an experiment was deleted in MLflow."""
    return UserError(
        f"the experiment {store.experiment!r} was deleted in MLflow; to bring it back, "
        f"{_type(store)}: MLFLOW_TRACKING_URI={shlex.quote(str(store))} "
        f"uv run mlflow experiments restore --experiment-id {experiment_id}; to begin "
        "another, set MLFLOW_EXPERIMENT_NAME, here or in mlflow.env"
    )


def _type(store: Store) -> str:
    """What goes before a command with a store's address, in which no password is shown."""
    return "type" if str(store) == store.uri else "type, with the password in place of ***"


@contextmanager
def connected(store: Store) -> Iterator[Connection]:
    """Connect to a store's database, which exists, for a ``with`` block.

    Raises:
        UserError: It cannot be connected to, or what the block asks fails.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    if store.file is not None and store.file.is_dir():
        raise unusable(store, f"{store.file} is a folder")
    try:
        address = make_url(store.uri)
    except (SQLAlchemyError, ValueError) as error:  # ValueError: its port is no number
        raise unusable(store, str(error)) from error
    try:
        driver = address.get_dialect().driver
        engine = create_engine(store.uri, connect_args=_PATIENCE.get(driver, {}))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "", error.name)
        raise unusable(store, f"its driver is missing; type: uv pip install '{package}'") from error
    except SQLAlchemyError as error:
        told = error.orig if isinstance(error, DBAPIError) else error
        raise unusable(store, str(told)) from error


def check_tables(store: Store) -> str | None:
    """Make sure that a database is empty, or MLflow's as the installed version makes its tables.

    MLflow itself would put its tables beside those of another program, and change those of an older
    version without a copy.

    Returns:
        Id of the store's experiment; None if there is none yet.

    Raises:
        UserError: It is something else, cannot be used at all, or its experiment was deleted.
    """
    from sqlalchemy import inspect, text

    with connected(store) as connection:
        tables = {*inspect(connection).get_table_names()}
        version = None
        if _VERSION in tables:
            version = connection.scalar(text(f"SELECT version_num FROM {_VERSION}"))
        if not tables - {_VERSION}:
            _check_rights(connection, store)
            return None
    if not tables >= {"experiments", "runs"}:
        some = ", ".join(sorted(tables - {_VERSION})[:3])
        raise unusable(store, f"it holds tables of another program ({some} …)")
    if version is None:
        if store.file is None:  # another process is making them, or MLflow finishes what one left
            return None
        raise unusable(store, "its tables are half made; remove it, or let who is making it finish")
    _check_version(store, str(version))
    with connected(store) as connection:
        return find_experiment(connection, store)


def _check_rights(connection: Connection, store: Store) -> None:
    """Make sure that MLflow may make its tables: it would try again and again."""
    from sqlalchemy import text

    if connection.dialect.name != "postgresql":
        return
    may = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    if not connection.scalar(text(may)):
        raise unusable(
            store,
            "its role may not make tables there; let its owner type: GRANT CREATE ON SCHEMA public "
            "TO that role",
        )


def _check_version(store: Store, version: str) -> None:
    import mlflow

    newest, older = _known_versions()
    if version == newest:
        return
    if version in older:
        raise unusable(
            store,
            f"its tables are an older MLflow's; copy it, then {_type(store)}: "
            f"uv run mlflow db upgrade {shlex.quote(str(store))}",
        )
    raise unusable(
        store,
        f"its tables are a newer MLflow's than {mlflow.__version__}; type: "
        "uv sync --inexact --upgrade-package mlflow",
    )


@cache
def _known_versions() -> tuple[str, frozenset[str]]:
    """Versions of MLflow's tables: the installed one's own, and all that came before.

    Out of the text of its migrations: to import them, as Alembic does, takes half a second.
    """
    import mlflow.store.db_migrations

    (folder,) = mlflow.store.db_migrations.__path__
    own: set[str] = set()
    before: set[str] = set()
    for file in Path(folder).glob("versions/*.py"):
        for is_before, version in _REVISION.findall(file.read_text(encoding="utf-8")):
            (before if is_before else own).add(version)
    (newest,) = own - before
    return newest, frozenset(before)
