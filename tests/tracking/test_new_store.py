"""A new store is made once, whole, however many begin at once and whatever ends one of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from benchmark.tracking import new_store
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker

FORK = multiprocessing.get_context("fork")  # MLflow is loaded already: all are as fast
AT_ONCE = 6


@pytest.fixture
def store(workplace: Path) -> Store:
    """One that is not there yet."""
    found = Store()
    assert not found.exists()
    return found


def open_at_once(store: Store, all_there: Barrier, name: str) -> None:
    all_there.wait(60)
    with Tracker(store).start(name, {}):
        pass


def test_many_that_begin_at_once_share_a_new_store(store: Store) -> None:
    all_there = FORK.Barrier(AT_ONCE)
    processes = [
        FORK.Process(daemon=True, target=open_at_once, args=(store, all_there, f"run {i}"))
        for i in range(AT_ONCE)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * AT_ONCE
    found = Tracker(store).search("")
    assert sorted(run.info.run_name or "" for run in found) == [f"run {i}" for i in range(AT_ONCE)]
    assert store.file is not None
    assert not [path.name for path in store.file.parent.iterdir() if "partial" in path.name]


def test_a_new_store_that_is_killed_half_made_stands_in_nobodys_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(new_store, "let_readers_in", killed)  # the last step before it is whole
        process = FORK.Process(daemon=True, target=Tracker, args=(store,))
        process.start()
        process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert store.file is not None
    assert not store.file.exists()
    assert len([*store.file.parent.iterdir()]) > 0  # what it left
    with Tracker(store).start("next", {}):
        pass
    left = {path.name for path in store.file.parent.iterdir()}
    assert left <= {store.file.name + end for end in ("", "-wal", "-shm")} | {"mlartifacts"}, left
