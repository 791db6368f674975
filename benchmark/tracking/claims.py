"""Turns runs that go on into claims on what they make, and those of the dead into killed ones.

A run that is RUNNING in MLflow, by a process that lives, is that process's claim on the run's
``spec_id``. Whoever wants the same waits for it, and takes its result; if it fails or dies, one of
those that wait makes the run itself. Of processes on other machines nothing is known: what they
make is neither waited for nor marked, unless they make it for one of this machine, with which a
cluster ends them.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchmark.processes.identity import ProcessName, this_process

if TYPE_CHECKING:
    from mlflow.entities import Run

    from benchmark.tracking.tracked_run import TrackedRun
    from benchmark.tracking.writer import Tracker

PROCESS = "process"
"""Tag with the process that makes a run; see `ProcessName`."""
DRIVER = "driver"
"""Tag with the process for which a cluster makes a run; see `ProcessName`."""
POLL_SECONDS = 2.0
_UNKNOWN = ProcessName(host="", pid=0, started=0)
logger = logging.getLogger(__name__)


def end_dead_runs(tracker: Tracker) -> None:
    """Mark as killed what this machine's dead processes have left running, and log which."""
    dead: dict[str, Run] = {}
    for tag in (PROCESS, DRIVER):
        query = f"attributes.status = 'RUNNING' and tags.{tag} LIKE '{socket.gethostname()}-%'"
        dead |= {run.info.run_id: run for run in tracker.search(query) if _is_dead(run)}
    if ended := [run for run in dead.values() if _end(tracker, run)]:
        names = ", ".join(str(run.info.run_name) for run in ended)
        logger.warning("marked as killed, since the processes that made them are dead: %s", names)


def end_runs_of(tracker: Tracker, driver: ProcessName, spec_id: str) -> None:
    """Mark as killed what a cluster has left running of a spec that it made for a driver."""
    query = f"attributes.status = 'RUNNING' and tags.{DRIVER} = '{driver}'"
    for run in tracker.search(f"{query} and tags.spec_id = '{spec_id}'"):
        tracker.client.set_terminated(run.info.run_id, "KILLED")


def fail_run(tracker: Tracker, driver: ProcessName, spec_id: str, reason: str) -> None:
    """Mark as failed what was made of a spec for a driver last, and was ended before its end."""
    made = tracker.search(f"tags.{DRIVER} = '{driver}' and tags.spec_id = '{spec_id}'")
    if made and made[-1].info.status in ("RUNNING", "KILLED"):
        tracker.client.set_tag(made[-1].info.run_id, "error", reason)
        tracker.client.set_terminated(made[-1].info.run_id, "FAILED")


def claim(
    tracker: Tracker,
    tags: Mapping[str, str],
    find: Callable[[], str | None],
    *,
    force: bool = False,
) -> TrackedRun | str:
    """Start a run, unless it is complete, after waiting for a process that makes it already.

    Args:
        tracker: Of the store.
        tags: Of the run: ``mlflow.runName``, and ``spec_id``, which is what is claimed.
        find: Finds a completed run that will do in its place.
        force: Whether to make a complete run again, unless another process has done so meanwhile.

    Returns:
        The run, to be used in a ``with`` statement, or the id of the complete one.
    """
    name, spec_id = tags["mlflow.runName"], tags["spec_id"]
    waited = False
    while True:
        while others := _others(tracker, spec_id):
            if not waited:
                pid = process_of(others[0]).pid
                logger.warning("%s is being made by process %d; waiting for it", name, pid)
                waited = True
            time.sleep(POLL_SECONDS)
        run = tracker.start(name, tags)
        try:
            # Who sees another withdraws: of two that begin at once, at least one does.
            if not _others(tracker, spec_id, besides=run.id):
                found = None if force and not waited else find()
                if found is None:
                    return run
                run.withdraw()
                return found
        except BaseException:
            run.withdraw()
            raise
        run.withdraw()
        time.sleep(random.uniform(0, POLL_SECONDS))


def _others(tracker: Tracker, spec_id: str, *, besides: str = "") -> list[Run]:
    """Find the runs by which other living processes of this machine claim a spec."""
    query = f"attributes.status = 'RUNNING' and tags.spec_id = '{spec_id}'"
    others = []
    for run in tracker.search(query):
        process, driver = process_of(run), process_of(run, DRIVER)
        if run.info.run_id == besides or not (process.is_here or driver.is_here):
            continue
        # A process makes one run at a time: another of its own comes of a request sent twice.
        if _is_dead(run) or process == this_process():
            _end(tracker, run)
        else:
            others.append(run)
    return others


def _end(tracker: Tracker, run: Run) -> bool:
    """Mark a run as killed; says whether: its process may have ended it, and itself, meanwhile."""
    if tracker.client.get_run(run.info.run_id).info.status != "RUNNING":
        return False
    tracker.client.set_terminated(run.info.run_id, "KILLED")
    return True


def process_of(run: Run, tag: str = PROCESS) -> ProcessName:
    """The process that makes a run, or for which; one elsewhere, if the run does not say."""
    return ProcessName.read(run.data.tags.get(tag, "")) or _UNKNOWN


def _is_dead(run: Run) -> bool:
    """Whether what makes a run has ended, or that for which it is made."""
    return process_of(run).is_dead or process_of(run, DRIVER).is_dead
