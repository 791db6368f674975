"""Turns trials, as Optuna keeps them, into what counts: their parameters, results, the best."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from benchmark.study.plan import content_hash
from benchmark.sweep.space import Params
from registry.protocols import SIZE

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
POINT = "point"
"""User attribute of a trial that was to be made in any case: the key of what is given of it."""
SURPLUS = "discarded"
"""User attribute of a trial that was one too many, since another process was faster."""
AGAIN = "again"
"""User attribute of a trial that failed by no fault of its own, as for want of memory."""


def has_ended(trial: FrozenTrial) -> bool:
    """Whether a trial has a result, or an error that can be told."""
    return trial.state in FINISHED or "error" in trial.user_attrs


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a trial has a result; an error of its own is one."""
    return has_ended(trial) and AGAIN not in trial.user_attrs


def is_counted(trial: FrozenTrial) -> bool:
    """Whether a trial is one of ``--trials``: one that its machine or process failed is not."""
    return is_finished(trial) or trial.state == TrialState.RUNNING


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a trial's process died, or its machine failed it: it is to be made again."""
    return (
        trial.state == TrialState.FAIL
        and not is_finished(trial)
        and SURPLUS not in trial.user_attrs
    )


def failed_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials with an error, but those that have been made again since."""
    made = {trial.user_attrs.get(POINT) for trial in trials if is_counted(trial)}
    failed = [trial for trial in trials if "error" in trial.user_attrs]
    keys = [trial.user_attrs.get(POINT, content_hash(trial.params)) for trial in failed]
    return [
        trial
        for trial, key in zip(failed, keys, strict=True)
        if is_finished(trial) or key not in made
    ]


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial with the best accuracy; of equals the smaller ensemble, then the earlier one."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(
        complete,
        key=lambda trial: (trial.value, -trial.params.get(SIZE, 0), -trial.number),
        default=None,
    )


def params_of(trial: FrozenTrial) -> Params:
    """A trial's parameters, those included that its study does not vary."""
    return {**trial.user_attrs.get("fixed", {}), **trial.params}
