"""Of those that want the same run one makes it; what a dead process left is marked as killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest
from mlflow.entities import Run, ViewType

from benchmark.processes.identity import ProcessName, this_process
from benchmark.tracking.claims import claim, end_dead_runs
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import TrackedRun
from benchmark.tracking.writer import Tracker

WANTED = {"mlflow.runName": "wanted", "spec_id": "x"}


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this machine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def name_of(process: subprocess.Popen[bytes]) -> ProcessName:
    started = int(psutil.Process(process.pid).create_time())
    return replace(this_process(), pid=process.pid, started=started)


@pytest.fixture
def begin(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrackedRun]:
    """Let another process begin a run."""

    def begin(process: ProcessName, **tags: str) -> TrackedRun:
        with monkeypatch.context() as patch:
            patch.setattr("benchmark.tracking.writer.this_process", lambda: process)
            return tracker.start("theirs", tags)

    return begin


def find(tracker: Tracker) -> Callable[[], str | None]:
    return lambda: tracker.find_completed({"spec_id": "x"})


def statuses(tracker: Tracker) -> dict[str, str]:
    return {run.info.run_id: run.info.status for run in tracker.search("tags.spec_id = 'x'")}


def test_what_nobody_makes_is_claimed_and_what_is_complete_is_not(tracker: Tracker) -> None:
    run = claim(tracker, WANTED, find(tracker))
    assert isinstance(run, TrackedRun)
    with run:
        assert statuses(tracker) == {run.id: "RUNNING"}
    assert claim(tracker, WANTED, find(tracker)) == run.id
    assert statuses(tracker) == {run.id: "FINISHED"}  # no trace of the claim
    assert isinstance(claim(tracker, WANTED, find(tracker), force=True), TrackedRun)


def test_a_run_that_ends_itself_while_it_is_taken_for_dead_stays_as_it_is(
    tracker: Tracker,
    other: subprocess.Popen[bytes],
    begin: Callable[..., TrackedRun],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = begin(name_of(other), spec_id="x")

    def ends_now(found: Run) -> bool:
        tracker.client.set_terminated(found.info.run_id, "FINISHED")
        return True

    monkeypatch.setattr("benchmark.tracking.claims._is_dead", ends_now)
    end_dead_runs(tracker)
    assert statuses(tracker) == {run.id: "FINISHED"}
    assert not caplog.messages


@pytest.mark.parametrize("force", [False, True])
def test_who_wants_what_another_process_makes_waits_and_takes_it(
    tracker: Tracker,
    other: subprocess.Popen[bytes],
    begin: Callable[..., TrackedRun],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    force: bool,
) -> None:
    theirs = begin(name_of(other), spec_id="x")
    naps = iter([None, lambda: theirs.__exit__(None, None, None)])
    monkeypatch.setattr("time.sleep", lambda seconds: (next(naps) or str)())
    assert claim(tracker, WANTED, find(tracker), force=force) == theirs.id
    assert statuses(tracker) == {theirs.id: "FINISHED"}
    assert caplog.messages == [f"wanted is being made by process {other.pid}; waiting for it"]


@pytest.mark.parametrize("fate", ["dies", "fails"])
def test_who_waits_takes_over_from_one_that_does_not_complete_it(
    tracker: Tracker,
    other: subprocess.Popen[bytes],
    begin: Callable[..., TrackedRun],
    monkeypatch: pytest.MonkeyPatch,
    fate: str,
) -> None:
    theirs = begin(name_of(other), spec_id="x")

    def meanwhile(seconds: float) -> None:
        if fate == "dies":
            other.kill()
            other.wait()
        else:
            tracker.client.set_terminated(theirs.id, "FAILED")

    monkeypatch.setattr("time.sleep", meanwhile)
    run = claim(tracker, WANTED, find(tracker))
    assert isinstance(run, TrackedRun)
    assert statuses(tracker) == {
        theirs.id: "KILLED" if fate == "dies" else "FAILED",
        run.id: "RUNNING",
    }


def test_of_two_that_begin_at_once_only_one_goes_on(
    tracker: Tracker,
    other: subprocess.Popen[bytes],
    begin: Callable[..., TrackedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs: list[TrackedRun] = []
    start = tracker.start

    def start_after(name: str, tags: dict[str, str]) -> TrackedRun:
        monkeypatch.setattr(tracker, "start", start)
        theirs.append(begin(name_of(other), spec_id="x"))
        return start(name, tags)

    monkeypatch.setattr(tracker, "start", start_after)
    monkeypatch.setattr("time.sleep", lambda seconds: theirs[0].withdraw())
    run = claim(tracker, WANTED, find(tracker))
    assert isinstance(run, TrackedRun)
    assert statuses(tracker) == {run.id: "RUNNING"}
    everything = tracker.client.search_runs([tracker.experiment_id], "", ViewType.ALL)
    assert len(everything) == 3  # both had begun, both withdrew, and then one was first


def test_what_is_made_elsewhere_or_left_by_a_repeated_request_is_not_waited_for(
    tracker: Tracker, begin: Callable[..., TrackedRun]
) -> None:
    elsewhere = begin(ProcessName(host="elsewhere", pid=1, started=0), spec_id="x")
    untold = begin(ProcessName(host="elsewhere", pid=1, started=0), spec_id="x")
    tracker.client.set_tag(untold.id, "process", "")
    twice = tracker.start("twice", {"spec_id": "x"})
    run = claim(tracker, WANTED, find(tracker))
    assert isinstance(run, TrackedRun)
    running = [elsewhere.id, untold.id, run.id]
    assert statuses(tracker) == dict.fromkeys(running, "RUNNING") | {twice.id: "KILLED"}


def test_an_interruption_leaves_no_claim(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        claim(tracker, WANTED, interrupted)
    assert statuses(tracker) == {}


def test_runs_of_dead_processes_are_marked_as_killed_and_named(
    tracker: Tracker,
    other: subprocess.Popen[bytes],
    begin: Callable[..., TrackedRun],
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = tracker.start("own", {"spec_id": "x"})
    living = begin(name_of(other), spec_id="x")
    dead = begin(replace(name_of(other), started=1), spec_id="x")
    elsewhere = begin(ProcessName(host="elsewhere", pid=1, started=1), spec_id="x")
    end_dead_runs(tracker)
    running = [own.id, living.id, elsewhere.id]
    assert statuses(tracker) == dict.fromkeys(running, "RUNNING") | {dead.id: "KILLED"}
    assert caplog.messages == [
        "marked as killed, since the processes that made them are dead: theirs"
    ]
    end_dead_runs(tracker)
    assert len(caplog.messages) == 1
