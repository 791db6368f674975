"""Studies survive kill -9, machines that are gone, full disks and torn files."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from optuna.trial import TrialState
from rich.console import Console

from benchmark.processes.identity import this_process
from benchmark.study.plan import RunSpec
from benchmark.sweep.budget import Budget, PrunerName
from benchmark.sweep.display import SweepDisplay
from benchmark.sweep.growth import SharedGrowth
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.resuming import begin_trial, fail_dead
from benchmark.sweep.trials import is_lost
from registry.errors import UserError, of_the_machine
from tests.sweep.synthetic import grid, make_search, open_study
from tests.sweep.test_search import GRID, finished, let_begin, start

GONE = str(replace(this_process(), started=1))


def let_hearts_stop(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")


def wait_for_a_beat(file: Path) -> None:
    """For half a minute at most."""
    fresh = "SELECT count(*) FROM trial_heartbeats WHERE heartbeat > datetime('now', '-30 minutes')"
    with closing(sqlite3.connect(file)) as database:
        for _ in range(300):
            if database.execute(fresh).fetchone() != (0,):
                return
            time.sleep(0.1)


@pytest.mark.parametrize(("after", "jobs"), [(1, 1), (3, 2)])
def test_kill_9_loses_and_repeats_nothing(after: int, jobs: int, tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    process = start(place, "grid", jobs)
    let_begin(process)
    assert process.stdout is not None
    told = {int(process.stdout.readline()) for _ in range(after)}
    process.send_signal(signal.SIGKILL)
    _, complaints = process.communicate(timeout=60)  # of its workers, too, which end with it
    assert "Traceback" not in complaints
    before = finished(place)
    assert told <= {trial.number for trial in before}
    assert len(told) == after
    assert len(before) < 40
    rest = list(make_search(place, budget=GRID, space=grid()).run())
    trials = finished(place)
    assert len(trials) == len(before) + len(rest) == 40
    assert len({str(t.params) for t in trials}) == 40
    assert not [t for t in open_study(place).trials if t.state == TrialState.RUNNING]
    for old in before:
        assert trials[[t.number for t in trials].index(old.number)].value == old.value


def test_a_killed_trial_of_a_sampler_is_made_again(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    list(make_search(place, budget=Budget(trials=4)).run())
    study = open_study(place)
    lost = study.ask()
    params = {
        "n_estimators": lost.suggest_int("n_estimators", 50, 600, step=10),
        "max_depth": lost.suggest_int("max_depth", 4, 32),
    }
    lost.set_user_attr("process", GONE)
    (made,) = make_search(place, budget=Budget(trials=5)).run()
    assert made.params == params
    assert open_study(place).trials[lost.number].state == TrialState.FAIL


def test_a_trial_of_another_machine_is_made_again_once_its_heartbeats_stop(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/study.db"
    list(make_search(place, budget=Budget(trials=3)).run())
    lost = open_study(place).ask()
    depth = lost.suggest_int("max_depth", 4, 32)
    lost.suggest_int("n_estimators", 50, 600, step=10)
    lost.set_user_attr("process", "elsewhere-1-1")
    lost.study._storage.record_heartbeat(lost._trial_id)  # type: ignore[attr-defined]
    assert list(make_search(place, budget=Budget(trials=4)).run()) == []
    let_hearts_stop(tmp_path / "study.db")
    (made,) = make_search(place, budget=Budget(trials=4)).run()
    assert made.params["max_depth"] == depth
    assert open_study(place).trials[lost.number].state == TrialState.FAIL


def test_a_trial_that_is_interrupted_is_made_again_under_any_hostname(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> Any:
        raise KeyboardInterrupt

    whole, place = str(tmp_path / "whole.journal"), str(tmp_path / "study.journal")
    list(make_search(whole, budget=Budget(trials=5)).run())
    list(make_search(place, budget=Budget(trials=3)).run())
    with monkeypatch.context() as patch:
        patch.setattr(SharedGrowth, "grow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(make_search(place, budget=Budget(trials=5)).run())
    lost = open_study(place).trials[-1]
    assert lost.state == TrialState.FAIL
    assert is_lost(lost)
    elsewhere = replace(this_process(), host="elsewhere")
    monkeypatch.setattr("benchmark.sweep.resuming.this_process", lambda: elsewhere)
    list(make_search(place, budget=Budget(trials=5)).run())
    assert finished(place)[3].params == lost.params == finished(whole)[3].params
    assert [trial.number for trial in finished(place)] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("named", [False, True])
def test_a_sweep_that_was_killed_under_another_hostname_ends_or_says_for_which_it_waits(
    named: bool, run_sweep: Any, backbone: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = str(tmp_path / "mine.journal") if named else None
    space = HeadTarget(base=backbone, head="extra_trees").grid(["n_estimators=4,8"])
    study = run_sweep(space, replace(GRID, trials=1), storage=storage).study
    with monkeypatch.context() as patch:
        elsewhere = replace(this_process(), host="elsewhere")
        patch.setattr("benchmark.sweep.resuming.this_process", lambda: elsewhere)
        begin_trial(study, {}, {})
    result = run_sweep(space, GRID, storage=storage)
    assert result.is_scored
    assert (result.row is None) is named
    told, sweep = StringIO(), SimpleNamespace(budget=GRID)
    SweepDisplay(Console(file=told), cast(Any, sweep), "").result(result)
    assert ("another process on elsewhere goes on" in told.getvalue()) is named


def test_the_trials_that_go_on_here_outlive_a_long_outage(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    study = open_study(f"sqlite:///{file}")
    ours, theirs = begin_trial(study, {}, {}), begin_trial(study, {}, {})
    let_hearts_stop(file)
    fail_dead(study, {ours._trial_id})
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.RUNNING, TrialState.FAIL]
    assert theirs.number == 1


def test_a_trial_that_takes_longer_than_hearts_may_stop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.sweep.resuming.BEAT_SECONDS", 0.2)
    file, grow = tmp_path / "study.db", SharedGrowth.grow
    states: list[TrialState] = []

    def grow_slowly(*args: Any) -> list[float]:
        if not states:
            for _ in range(2):
                let_hearts_stop(file)
                wait_for_a_beat(file)
            with monkeypatch.context() as patch:
                elsewhere = replace(this_process(), host="elsewhere")
                patch.setattr("benchmark.sweep.resuming.this_process", lambda: elsewhere)
                study = open_study(f"sqlite:///{file}")
                fail_dead(study, set())
                states.extend(trial.state for trial in study.trials)
        return grow(*args)

    monkeypatch.setattr(SharedGrowth, "grow", grow_slowly)
    list(make_search(f"sqlite:///{file}", budget=Budget(trials=1, pruner="none")).run())
    assert states == [TrialState.RUNNING]


@pytest.mark.parametrize("pruner", ["median", "none"])
def test_a_trial_that_another_process_took_for_dead_is_made_again(
    pruner: PrunerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, grow = str(tmp_path / "study.journal"), SharedGrowth.grow
    study = open_study(place)
    failed: list[int] = []

    def grow_while_failed(*args: Any) -> list[float]:
        if not failed:
            (going,) = study.get_trials(states=(TrialState.RUNNING,))
            study.tell(going.number, state=TrialState.FAIL)
            failed.append(going.number)
        return grow(*args)

    monkeypatch.setattr(SharedGrowth, "grow", grow_while_failed)
    trials = list(make_search(place, budget=Budget(trials=4, pruner=pruner)).run())
    assert failed == [0]
    assert [trial.number for trial in trials] == [1, 2, 3, 4]
    assert len(finished(place)) == 4


@pytest.mark.parametrize("back", [True, False])
def test_a_database_that_is_away_is_waited_for(
    back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, elsewhere = tmp_path / "study.db", tmp_path / "elsewhere.db"
    place, naps = f"sqlite:///{file}", [0.0]

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if back and len(naps) == 3:
            elsewhere.rename(file)

    clock = SimpleNamespace(sleep=nap, monotonic=lambda: sum(naps))
    monkeypatch.setattr("benchmark.tracking.patience.time", clock)
    steps = make_search(place, budget=GRID, space=grid()).run()
    next(steps)
    file.rename(elsewhere)
    if back:
        list(steps)
        gone, answers = caplog.messages
        assert "does not answer" in gone
        assert answers == f"the storage {place} answers again, after 3 s"
    else:
        with pytest.raises(UserError, match=r"study\.db has not answered .*same command goes on"):
            list(steps)
        elsewhere.rename(file)
        list(make_search(place, budget=GRID, space=grid()).run())
    assert len(finished(place)) == len({str(trial.params) for trial in finished(place)}) == 40


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    place = tmp_path / "study.journal"
    list(make_search(str(place), budget=Budget(trials=2)).run())
    with place.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"killed whi')
    steps = make_search(str(place), budget=Budget(trials=4)).run()
    next(steps)
    with place.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"killed beside this one whi')
    list(steps)
    assert len(finished(str(place))) == 4


def test_a_full_disk_is_told_and_the_sweep_goes_on_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        os.truncate(file, os.fstat(file).st_size - 20)  # what has room
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = tmp_path / "study.journal"
    steps = make_search(str(place), budget=GRID, space=grid()).run()
    next(steps)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError) as told:
            list(steps)
    assert str(of_the_machine(told.value)).startswith(f"No space left on device: {place}; make")
    list(make_search(str(place), budget=GRID, space=grid()).run())
    assert len(finished(str(place))) == len({str(t.params) for t in finished(str(place))}) == 40
