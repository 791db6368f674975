"""Turns trials, as Optuna keeps them, into what counts: their parameters, results, the best."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from benchmark.sweep.space import Params
from registry.protocols import SIZE

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
POINT = "point"
"""User attribute of a trial that was to be made in any case: the key of what is given of it."""
SURPLUS = "discarded"
"""User attribute of a trial that was one too many, since another process was faster."""


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a trial has a result."""
    return trial.state in FINISHED or "error" in trial.user_attrs


def is_counted(trial: FrozenTrial) -> bool:
    """Whether a trial is one of ``--trials``: one whose process died is not."""
    return is_finished(trial) or trial.state == TrialState.RUNNING


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a trial's process died."""
    return (
        trial.state == TrialState.FAIL
        and not is_finished(trial)
        and SURPLUS not in trial.user_attrs
    )


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
