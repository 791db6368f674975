"""Turns a place into an Optuna storage that survives kill -9, with locks and live workers."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.study import Study
from sqlalchemy import create_engine, inspect, make_url

from benchmark.sweep.journal import check_journal, mend_journal
from registry.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: Optuna's own lock, which outlives a killed process by 30 seconds
    fcntl = None  # type: ignore[assignment]

BEAT_SECONDS = 20.0
GRACE_SECONDS = 180.0
"""After so long without a sign, a worker on another machine counts as dead."""
_WORKER = "worker:"


def sweeps_folder(home: Path) -> Path:
    """Where studies are stored by default."""
    return home / "sweeps"


def file_name(study_name: str) -> str:
    """A study's name as that of a file."""
    return study_name.replace("/", "--").replace(":", "-")


class FileLock(BaseJournalFileLock):
    """An exclusive lock that the kernel takes back from a killed process, at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        file = os.open(self._path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes on this machine out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path) if fcntl else None
    if lock:
        lock.acquire()
    try:
        yield
    finally:
        if lock:
            lock.release()


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
            return _open_journal(Path(place))
        if place.startswith("redis"):
            return JournalStorage(RedisJournal(place))
        with locked(default.with_suffix(".open")):  # two processes must not both make the tables
            if place.startswith("sqlite"):
                return RDBStorage(place, engine_kwargs={"connect_args": {"timeout": 60}})
            return RDBStorage(place)


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the drivers raise errors of many libraries
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the storage {place} cannot be used ({reason}); pass another: "
            "--storage sqlite:///FILE, or none for the default in .bench/sweeps"
        ) from error


def _open_journal(path: Path) -> JournalStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock")) if fcntl else None
    if lock:
        lock.acquire()
        try:
            mend_journal(path)
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


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


class Worker:
    """This process's presence in a study: a locked file here, and a sign of life in the storage.

    Others see at once that a worker on their machine is dead, since its file is not locked any
    more; one on another machine counts as dead when its signs have stopped for `GRACE_SECONDS`.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        """Prepare to enter; use it in a ``with`` statement.

        Args:
            study: The study to work on.
            folder: Where the files of workers lie.
        """
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._study = study
        self._folder = folder
        self._lock = FileLock(folder / self.id) if fcntl else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Worker:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._lock:
            self._lock.acquire()
        self._sign(time.time())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sign(0.0)
        if self._lock:
            (self._folder / self.id).unlink(missing_ok=True)
            self._lock.release()

    def _sign(self, when: float) -> None:
        self._study.set_user_attr(_WORKER + self.id, when)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(Exception):  # a beat that fails is followed by another
                self._sign(time.time())


def live_workers(study: Study, folder: Path) -> set[str]:
    """Ids of the processes that work on a study."""
    return {
        name.removeprefix(_WORKER)
        for name, sign in study.user_attrs.items()
        if name.startswith(_WORKER) and sign and _is_alive(name.removeprefix(_WORKER), sign, folder)
    }


def _is_alive(worker: str, sign: float, folder: Path) -> bool:
    path = folder / worker
    if fcntl and path.exists():
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False
    return time.time() - sign < GRACE_SECONDS


def study_states(storage: BaseStorage) -> list[Any]:
    """Load the studies of a storage, by name."""
    return [
        optuna.load_study(study_name=name, storage=storage)
        for name in sorted(optuna.get_all_study_names(storage))
    ]
