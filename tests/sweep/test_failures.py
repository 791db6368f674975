"""Trials that fail: by their values they count, for want of a machine they are made again."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from benchmark.sweep.budget import Budget
from benchmark.sweep.growth import SharedGrowth
from benchmark.sweep.space import read_grid
from benchmark.sweep.status import sweep_states
from benchmark.sweep.trials import is_finished
from registry.errors import PluginError
from tests.sweep.synthetic import make_search, open_study
from tests.sweep.test_search import GRID, finished

FULL = MemoryError("300 such trees take 64 GB")


def fail_by(patch: pytest.MonkeyPatch, error: Exception, depth: int | None = None) -> None:
    """Let trees of some depth, or all, end with an error."""
    grow = SharedGrowth.grow

    def grow_or_fail(self: SharedGrowth, params: Mapping[str, Any], size: int) -> list[float]:
        if depth in (None, params["max_depth"]):
            raise error
        return grow(self, params, size)

    patch.setattr(SharedGrowth, "grow", grow_or_fail)


def test_a_trial_that_raises_counts_and_does_not_stop_the_others(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    space = read_grid(
        ["n_estimators=5", "max_features=0.5,wrong"],
        "extra_trees",
        ["n_estimators", "max_features"],
    )
    trials = list(make_search(place, budget=GRID, space=space).run())
    assert sorted(trial.state.name for trial in trials) == ["COMPLETE", "FAIL"]
    failed = next(trial for trial in trials if trial.state == TrialState.FAIL)
    assert "max_features" in failed.user_attrs["error"]
    assert is_finished(failed)
    assert list(make_search(place, budget=GRID, space=space).run()) == []


def of_a_plugin(cause: Exception) -> PluginError:
    error = PluginError("head mine of the plugin bench_mine failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FULL, "MemoryError: 300 such trees take 64 GB"),
        (torch.OutOfMemoryError("CUDA out of memory."), "OutOfMemoryError: CUDA out of memory."),
        (RuntimeError("can't allocate memory: you tried"), "RuntimeError: can't allocate memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; make room"),
        (of_a_plugin(MemoryError()), "head mine of the plugin bench_mine failed"),
    ],
)
def test_a_trial_that_its_machine_failed_is_made_again_by_the_next_process_alone(
    error: Exception, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, budget = str(tmp_path / "study.journal"), Budget(trials=4)
    search = make_search(place, budget=budget)
    search.study.set_user_attr("about", {"trials": 4})
    with monkeypatch.context() as patch:
        fail_by(patch, error, depth=16)
        trials = list(search.run())
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    row = sweep_states(tmp_path, None).iloc[0]
    assert (row["state"], row["trials"], row["failed"]) == ("stopped", "3 of 4", 1)
    assert row["reason"].startswith(told)
    (again,) = make_search(place, budget=budget).run()
    assert (again.params, again.state) == (trials[1].params, TrialState.COMPLETE)
    row = sweep_states(tmp_path, None).iloc[0]
    assert (row["trials"], row["failed"], row["reason"]) == ("4 of 4", 0, "")
    assert list(make_search(place, budget=budget).run()) == []


def test_a_machine_that_fails_all_trials_makes_as_many_as_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "study.journal")
    with monkeypatch.context() as patch:
        fail_by(patch, FULL)
        for _ in range(2):
            assert len(list(make_search(place, budget=Budget(trials=5)).run())) == 5
    drawn = [trial.params for trial in open_study(place).trials[3:5]]
    assert len(list(make_search(place, budget=Budget(trials=5)).run())) == 5
    assert [trial.params for trial in finished(place)[3:]] == drawn


def test_a_process_leaves_what_its_machine_failed_to_another_that_works_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, budget = str(tmp_path / "study.journal"), Budget(trials=4)
    ours = make_search(place, budget=budget).run()
    with monkeypatch.context() as patch:
        fail_by(patch, FULL)
        assert next(ours).state == TrialState.FAIL
    others = list(make_search(place, budget=budget).run())
    assert [*map(is_finished, others)] == [True] * 4
    assert list(ours) == []


def test_a_trial_whose_workers_always_die_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.sweep.search.BEGUN_AGAIN", 1)
    place = str(tmp_path / "study.journal")
    search = make_search(place, budget=Budget(trials=1), jobs=2, deadly=tmp_path)
    (trial,) = search.run()
    search.workers.end()
    assert trial.user_attrs["error"] == "its process died by SIGKILL, 2 times"
    (again,) = make_search(place, budget=Budget(trials=1)).run()
    assert (again.params, again.state) == (trial.params, TrialState.COMPLETE)
