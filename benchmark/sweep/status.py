"""Turns studies, seen from outside, into their state: how far, how good, how long yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.sweep.resuming import at_work
from benchmark.sweep.space import describe
from benchmark.sweep.storage import check_storage, open_storage, study_states
from benchmark.sweep.trials import best_trial, failed_trials, is_finished, params_of
from benchmark.terminal.numbers import duration
from registry.errors import UserError
from registry.printable import shortened

_REASON_LENGTH = 120
"""PyTorch's words for a full GPU have some 500 characters."""


def goal(study: Study) -> int | None:
    """How many trials are planned in all."""
    about = study.user_attrs.get("about", {})
    known: list[int] = [*filter(None, (about.get("trials"), about.get("cells")))]
    return min(known, default=None)  # a grid ends at its last cell


def seconds_left(trials: list[FrozenTrial], planned: int | None) -> float | None:
    """Guess how long the rest takes, as many at once as now; None if it cannot be told."""
    seconds: list[float] = [
        trial.user_attrs["notes"]["seconds"] for trial in trials if "notes" in trial.user_attrs
    ]
    if planned is None or not seconds:
        return None
    done = sum(map(is_finished, trials))
    at_once = max(1, sum(trial.state == TrialState.RUNNING for trial in trials))
    return max(planned - done, 0) * sum(seconds) / len(seconds) / at_once


def sweep_states(folder: Path, place: str | None) -> pd.DataFrame:
    """Read the studies of a storage, or all of the default folder.

    Args:
        folder: The default folder of studies.
        place: URL or file of an Optuna storage; None for the default.

    Returns:
        A row a study: ``study``, ``state``, ``trials``, ``pruned``, ``failed``,
        ``best_val_accuracy``, ``best``, ``left``, ``reason`` (why the last failed).

    Raises:
        UserError: There is no study.
    """
    if place is None:
        files = sorted(folder.glob("*.journal"))
        storages = [open_storage(str(file), file) for file in files]
    else:
        check_storage(place, create=False)
        storages = [open_storage(place, folder / "status")]
    rows = [_row(study) for storage in storages for study in study_states(storage)]
    if not rows:
        raise UserError("no sweep has begun here; type: bench sweep trees")
    return pd.DataFrame(rows)


def _row(study: Study) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    workers = at_work(study)
    done = sum(map(is_finished, trials))
    planned = goal(study)
    best = best_trial(trials)
    failed = failed_trials(trials)
    left = seconds_left(trials, planned) if workers else None
    complete = planned is not None and done >= planned
    state = f"running ({len(workers)})" if workers else "finished" if complete else "stopped"
    return {
        "study": study.study_name,
        "state": state,
        "trials": f"{done} of {planned}" if planned else str(done),
        "pruned": sum(trial.state == TrialState.PRUNED for trial in trials),
        "failed": len(failed),
        "best_val_accuracy": best.value if best else None,
        "best": describe(params_of(best)) if best else "",
        "left": "" if left is None else duration(left),
        "reason": shortened(failed[-1].user_attrs["error"], _REASON_LENGTH) if failed else "",
    }
