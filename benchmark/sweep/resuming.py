"""Turns a study's processes into those that live, and trials of the dead into ones in line again.

A process of this machine is known to be dead by its name, at once; one of another by Optuna's
heartbeats, which databases keep, once they have stopped for a while.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from benchmark.processes.identity import ProcessName, this_process
from benchmark.tracking.patience import StoreAway

BEAT_SECONDS = 20
GRACE_SECONDS = 180
"""After so long without a heartbeat, a process on another machine counts as dead."""
PROCESS = "process"
"""User attribute of a trial: who makes it; and, with its name, of the study."""


class Part:
    """This process's part in a study: it signs its trials, and lets Optuna's hearts beat.

    Attributes:
        name: Of this process.
        trials: Ids of the trials that go on here.
    """

    def __init__(self, study: Study) -> None:
        """Begin with no trial.

        Args:
            study: The study.
        """
        self.name = str(this_process())
        self._study = study
        self.trials: set[int] = set()
        self._stop = threading.Event()

    def sign(self, trial: Trial) -> None:
        """Tell the others whose trial it is."""
        trial.set_user_attr(PROCESS, self.name)
        self.trials.add(trial._trial_id)
        if storage := _with_heartbeats(self._study):
            storage.record_heartbeat(trial._trial_id)

    def leave(self, trial: Trial) -> None:
        """It has ended."""
        self.trials.discard(trial._trial_id)

    def beat(self) -> None:
        """Let the hearts beat until the end."""
        storage = _with_heartbeats(self._study)
        while storage and not self._stop.wait(BEAT_SECONDS):
            for trial_id in list(self.trials):
                with suppress(Exception):  # a beat that fails is followed by another
                    type(storage).record_heartbeat(storage, trial_id)  # which waits for nothing

    def end(self) -> None:
        """Stop them."""
        self._stop.set()


@contextmanager
def taking_part(study: Study) -> Iterator[Part]:
    """Sign this process into a study during the block."""
    part = Part(study)
    study.set_user_attr(f"{PROCESS}:{part.name}", True)
    threading.Thread(target=part.beat, daemon=True).start()
    try:
        yield part
    finally:
        part.end()
        with suppress(StoreAway):
            study.set_user_attr(f"{PROCESS}:{part.name}", False)


def retry_dead(study: Study, part: Part) -> None:
    """Put the trials of dead processes in line again.

    It may be killed, too: a trial is in line before it is given up, and is not put there twice.
    """
    fail_stale_trials(study)  # by Optuna's heartbeats
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial._trial_id in part.trials or not _is_orphaned(study, trial, part.name):
            continue
        if not any(
            trial.number in RetryHeartbeatStaleTrialCallback.retry_history(one)
            for one in study.get_trials(deepcopy=False)
        ):
            retry(study, trial)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def retry(study: Study, trial: FrozenTrial) -> None:
    """Put a trial in line again, unsigned: Optuna's callback of a trial whose heart has stopped."""
    unsigned = copy.deepcopy(trial)
    unsigned.user_attrs = {k: v for k, v in trial.user_attrs.items() if k == "point"}
    RetryHeartbeatStaleTrialCallback()(study, unsigned)


def living(study: Study) -> set[str]:
    """Names of the processes that work on a study."""
    signed = {
        name.removeprefix(f"{PROCESS}:")
        for name, works in study.user_attrs.items()
        if name.startswith(f"{PROCESS}:") and works
    }
    with_trials = busy(study)
    names = {name: ProcessName.read(name) for name in signed | with_trials}
    return {
        text
        for text, name in names.items()
        if name and (not name.is_dead if name.is_here else text in with_trials)
    }


def busy(study: Study) -> set[str]:
    """Names of the processes with a trial that goes on, as far as anybody knows."""
    storage = _with_heartbeats(study)
    stale = storage._get_stale_trial_ids(study._study_id) if storage else []
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return {
        trial.user_attrs[PROCESS]
        for trial in running
        if PROCESS in trial.user_attrs and trial._trial_id not in stale
    }


def _is_orphaned(study: Study, trial: FrozenTrial, own: str) -> bool:
    if name := ProcessName.read(trial.user_attrs.get(PROCESS, "")):
        return name.is_dead or str(name) == own  # which has begun anew
    # Killed before it could sign, or about to sign.
    age = (datetime.now() - (trial.datetime_start or datetime.now())).total_seconds()
    return age > GRACE_SECONDS or not living(study) - {own}


def _with_heartbeats(study: Study) -> Any:
    """Its storage, if that keeps heartbeats: a database does, a journal does not."""
    storage = study._storage
    return storage if is_heartbeat_enabled(storage) else None
