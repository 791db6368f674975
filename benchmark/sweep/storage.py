"""Turns a place into an Optuna storage that survives kill -9, and is waited for if it is away."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError

from benchmark.processes.leftovers import naming
from benchmark.sweep.journal import check_journal, mend_journal
from benchmark.sweep.resuming import BEAT_SECONDS, GRACE_SECONDS
from benchmark.tracking.patience import Patience, causes, is_away, is_clash
from registry.errors import UserError, masked

_ATTEMPTS = 5
"""At opening a database: of processes that make its tables at once, all but one fail."""
_POLL_SECONDS = 0.005
_AWAY = ("unable to open", "readonly", "no such table", "disk I/O")
"""What SQLite says of a file that has been moved away."""


def sweeps_folder(home: Path) -> Path:
    """Where studies are stored by default."""
    return home / "sweeps"


def sweep_file(home: Path, study_name: str, suffix: str) -> Path:
    """A file of one study there."""
    name = study_name.replace("/", "--").replace(":", "-")
    return sweeps_folder(home) / f"{name}.{suffix}"


class FileJournal(JournalFileBackend):
    """Optuna's journal in a file; a line that somebody could not finish is cut off first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of a killed process, the kernel takes it back at once; one process may take it twice.
        self._mending = FileLock(f"{path}.lock", poll_interval=_POLL_SECONDS)
        with self._mending:
            mend_journal(path)
            super().__init__(str(path), self._mending)  # type: ignore[arg-type]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries; the file is named if its disk is full."""
        with naming(self._path), self._mending:
            mend_journal(self._path)
            super().append_logs(logs)


class RedisJournal(JournalRedisBackend):
    """Optuna's journal in Redis without its snapshots, which are pickled.

    Whoever may write there could run any program here.
    """

    def save_snapshot(self, snapshot: bytes) -> None:
        """Save none."""

    def load_snapshot(self) -> bytes | None:
        """Load none: all lines are read."""
        return None


def check_storage(place: str, *, create: bool = True) -> None:
    """Make sure that what a place names is Optuna's, or nothing yet; nothing is changed.

    Args:
        place: As for `open_storage`.
        create: Whether there may be nothing.

    Raises:
        UserError: It is something else, or cannot be reached.
    """
    with _told(place):
        if "://" in place:
            _check_database(place, create)
        else:
            check_journal(Path(place), create)


def open_storage(place: str | None, default: Path) -> BaseStorage:
    """Open an Optuna storage, and create it where it is missing.

    Args:
        place: URL of a database (``sqlite:///FILE``, ``postgresql://...``) or Redis, or the path of
            a journal file; None for the default.
        default: Path of the default journal file.

    Raises:
        UserError: The storage cannot be reached, or is something else.
    """
    place = str(default) if place is None else place
    check_storage(place)
    with _told(place):
        if "://" not in place:
            return JournalStorage(FileJournal(Path(place)))
        if place.startswith("redis"):
            return JournalStorage(RedisJournal(place))
        storage = get_storage(_open_database(place))
    # Of the object between a study and its database, which has no public name.
    Patience(f"the storage {masked(place)}", storage, away=_is_away, also=("_get_stale_trial_ids",))
    return storage


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the drivers raise errors of many libraries
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the storage {place} cannot be used ({reason}); pass another: "
            "--storage sqlite:///FILE, or none for files of its own"
        ) from error


def _open_database(url: str) -> RDBStorage:
    arguments = {"timeout": 60, "isolation_level": None} if url.startswith("sqlite") else {}
    for left in reversed(range(_ATTEMPTS)):
        try:
            storage = RDBStorage(
                url,
                engine_kwargs={"connect_args": arguments},
                heartbeat_interval=BEAT_SECONDS,
                grace_period=GRACE_SECONDS,
            )
            break
        except Exception as error:
            if not left or not (is_clash(error) or "already exists" in str(error)):
                raise
            time.sleep(random.random())
    if arguments:
        # SQLite locks no row that it reads: two processes would take the same waiting trial.
        listen(storage.engine, "begin", lambda opened: opened.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def _is_away(error: BaseException) -> bool:
    if is_away(error):
        return True
    lost = [one for one in causes(error) if isinstance(one, OperationalError)]
    return any(told in str(one.orig) for one in lost for told in _AWAY)


def _check_database(url: str, create: bool) -> None:
    """Make sure that a database is empty or Optuna's, which would put its tables beside others.

    Raises:
        Exception: Of many kinds: it is something else, or cannot be reached.
    """
    if url.startswith("redis"):
        return
    address = make_url(url)
    file = address.database if address.get_backend_name() == "sqlite" else None
    if file and not Path(file).exists():
        if not create:
            raise FileNotFoundError("there is no such file")
        return
    engine = create_engine(address)
    tables = {*inspect(engine).get_table_names()}
    engine.dispose()
    if tables and "studies" not in tables:
        raise ValueError(f"it holds tables of another program: {', '.join(sorted(tables)[:3])} …")


def study_states(storage: BaseStorage) -> list[Any]:
    """Load the studies of a storage, by name."""
    return [
        optuna.load_study(study_name=name, storage=storage)
        for name in sorted(optuna.get_all_study_names(storage))
    ]
