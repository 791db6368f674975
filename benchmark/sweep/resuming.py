"""Turns a study's trials into those that still go on, and fails those whose process is dead.

A process of this machine is known to be dead by its name, at once; one of another by Optuna's
heartbeats, which databases keep, once they have stopped for a while. A journal keeps none: in the
default one, which is one machine's, whoever has another hostname is dead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from optuna import Trial
from optuna.storages import fail_stale_trials
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from benchmark.processes.identity import ProcessName, this_process
from benchmark.sweep.space import Params

BEAT_SECONDS = 20
GRACE_SECONDS = 180
"""After so long without a heartbeat, a process on another machine counts as dead."""
PROCESS = "process"
"""User attribute of a trial: who makes it."""


def begin_trial(study: Study, params: Params, attributes: dict[str, Any]) -> Trial:
    """Create a trial that is this process's from the first; by Optuna's `ask` it would be nobody's.

    Args:
        study: Whose trial.
        params: Those that are given; the sampler draws the others.
        attributes: The trial's.
    """
    signed = create_trial(
        state=TrialState.RUNNING,
        user_attrs={PROCESS: str(this_process()), **attributes},
        system_attrs={"fixed_params": params},
    )
    trial_id = study._storage.create_new_trial(study._study_id, signed)
    if storage := with_heartbeats(study):
        storage.record_heartbeat(trial_id)
    return Trial(study, trial_id)


@contextmanager
def beating(study: Study, going: Callable[[], Collection[int]]) -> Iterator[None]:
    """Let the hearts of the trials with these ids beat during the block.

    If it is left early, they fail: a journal keeps no heartbeats, by which another machine would
    know that they are to be made again.
    """
    storage, ended = with_heartbeats(study), threading.Event()

    def beat() -> None:
        while storage and not ended.wait(BEAT_SECONDS):
            for trial_id in going():
                with suppress(Exception):  # a beat that fails is followed by another
                    type(storage).record_heartbeat(storage, trial_id)  # which waits for nothing

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    except BaseException:
        for trial_id in going():
            with suppress(Exception):  # without patience, as above: what led here is to be told
                type(study._storage).set_trial_state_values(
                    study._storage, trial_id, TrialState.FAIL
                )
        raise
    finally:
        ended.set()


def fail_dead(study: Study, going: Collection[int]) -> None:
    """Fail the trials of dead processes, but not those with these ids, which go on here."""
    if storage := with_heartbeats(study):
        for trial_id in going:  # while the database was away, their hearts did not beat
            storage.record_heartbeat(trial_id)
    fail_stale_trials(study)  # by Optuna's heartbeats
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        name = ProcessName.read(trial.user_attrs.get(PROCESS, ""))
        # One of this process that does not go on is of an earlier sweep.
        if name and trial._trial_id not in going and (name.is_dead or name == this_process()):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def fail_elsewhere(study: Study) -> None:
    """Fail the trials of processes under other hostnames, as a container had before its restart."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        name = ProcessName.read(trial.user_attrs.get(PROCESS, ""))
        if name and not name.is_here:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def at_work(study: Study) -> set[ProcessName]:
    """The processes with a trial that goes on, as far as is known."""
    storage = with_heartbeats(study)
    stale = storage._get_stale_trial_ids(study._study_id) if storage else []
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    signed = {one.user_attrs.get(PROCESS, "") for one in running if one._trial_id not in stale}
    names = filter(None, map(ProcessName.read, signed))
    return {name for name in names if not name.is_dead}


def others_at_work(study: Study) -> bool:
    """Whether another process is busy with a trial of a study."""
    return bool(at_work(study) - {this_process()})


def with_heartbeats(study: Study) -> Any:
    """A study's storage, if that keeps heartbeats: a database does, a journal does not."""
    storage = study._storage
    return storage if is_heartbeat_enabled(storage) else None
