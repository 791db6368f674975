"""Turns a database that is missing or empty into MLflow's: whole or not at all, once for all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmark.processes.leftovers import remove_unfinished, unfinished
from benchmark.tracking.database import connected, unusable
from benchmark.tracking.store import Store

ARTIFACTS = "./mlruns"
"""Of MLflow's default experiment, which is not ours."""
LOCKED_SECONDS = 20
_LOCK = 0x6D6C666C6F77
"""Any number, by which those that open MLflow's tables in PostgreSQL agree to take turns."""


@contextmanager
def opening(store: Store) -> Iterator[None]:
    """Make sure that a database can be opened by MLflow in a ``with`` block, by many at once.

    Where its tables are missing, MLflow makes them as it opens it: two processes that do so at the
    same time both fail.

    Raises:
        UserError: The database cannot be used.
    """
    if store.file is not None and not store.file.exists():
        _make_file(store, store.file)
    if not store.uri.startswith("postgresql"):
        yield
        return
    from sqlalchemy import text

    with connected(store) as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))  # until it is closed
        yield


def _make_file(store: Store, file: Path) -> None:
    """Make the database in a file that appears once it is whole: half of one cannot be opened."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    make: Any = SqlAlchemyStore
    remove_unfinished(file.parent)
    with unfinished(file) as path:
        try:
            path.touch()  # MLflow would try for minutes
        except OSError as error:
            raise unusable(store, f"{file} cannot be made: {error.strerror}") from error
        make(f"sqlite:///{path}", ARTIFACTS).engine.dispose()
        let_readers_in(path)


def let_readers_in(file: Path) -> None:
    """Let SQLite's readers not wait for the writer."""
    with closing(sqlite3.connect(file, timeout=LOCKED_SECONDS)) as database:
        database.execute("PRAGMA journal_mode=WAL")
