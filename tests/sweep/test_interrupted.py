"""A sweep that is interrupted, or whose store goes away, loses no trial and is scored once."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from benchmark.processes.identity import _named
from benchmark.ranking.runs import fetch, run_states
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.plan import RunSpec
from benchmark.sweep.budget import Budget
from benchmark.sweep.growth import SharedGrowth
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.resuming import begin_trial
from benchmark.sweep.space import Space
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.store import Store
from benchmark.tracking.unsent import send_unsent
from benchmark.training.heads import fit_head
from tests.sweep.test_run import SMALL, children, parents
from tests.tracking.away import Away

BUDGET = Budget(sampler="grid", pruner="none")


@pytest.fixture
def space(backbone: RunSpec) -> Space:
    return HeadTarget(base=backbone, head="extra_trees").grid(SMALL)


def test_a_sweep_whose_store_goes_away_makes_its_trials_and_writes_them_the_next_time(
    run_sweep: Any, options: RunOptions, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.sweep.mirror.MIRROR_SECONDS", 0.0)
    away, grow = Away(open_tracker(options.store)), SharedGrowth.grow

    def grow_alone(*args: Any) -> list[float]:
        away.begin()
        return grow(*args)

    with monkeypatch.context() as patch:
        patch.setattr(SharedGrowth, "grow", grow_alone)
        with pytest.raises(StoreAway):
            run_sweep(space, BUDGET)
    away.end()
    result = run_sweep(space, BUDGET)
    assert [trial.number for trial in result.study.trials] == list(range(9))  # made once
    (parent,) = parents(options.store)
    assert parent.info.status == "FINISHED"
    numbers = [run.data.tags["trial"] for run in children(options.store, parent.info.run_id)]
    assert numbers == [str(number) for number in range(9)]
    assert result.is_scored


def test_a_sweeps_best_that_its_store_did_not_take_is_sent_and_not_scored_again(
    run_sweep: Any, options: RunOptions, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker(options.store)
    away = Away(tracker)

    def fit_alone(*args: Any) -> Any:
        away.begin()
        return fit_head(*args)

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.runs.head.fit_head", fit_alone)
        with pytest.raises(StoreAway):
            run_sweep(space, BUDGET)
    away.end()
    send_unsent(tracker, options.home)
    result = run_sweep(space, BUDGET)
    assert result.row is not None
    assert result.row.reused
    assert result.is_scored
    assert len(fetch(options.store)) == 1


def test_a_sweep_that_is_interrupted_while_its_best_is_scored_is_killed_and_goes_on(
    run_sweep: Any, store: Store, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.runs.head.fit_head", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(space, BUDGET)
    (parent,) = parents(store)
    assert parent.info.status == "KILLED"
    assert run_sweep(space, BUDGET).is_scored
    (parent,) = parents(store)
    assert parent.info.status == "FINISHED"


def test_a_completed_sweep_that_goes_on_is_completed_no_more_until_it_ends(
    run_sweep: Any, store: Store, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def tell() -> None:
        told.append(run_states(store).set_index("group")["status"]["sweep"])

    def interrupt(*args: Any) -> Any:
        tell()
        raise KeyboardInterrupt

    run_sweep(space, replace(BUDGET, trials=1))
    tell()
    with monkeypatch.context() as patch:
        patch.setattr(SharedGrowth, "grow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(space, BUDGET)
    tell()
    run_sweep(space, BUDGET)
    tell()
    assert told == ["completed", "running", "interrupted", "completed"]


def test_a_sweep_that_goes_on_in_another_process_is_that_ones(
    run_sweep: Any, store: Store, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = run_sweep(space, replace(BUDGET, trials=1)).study
    another = _named(os.getppid())
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.sweep.resuming.this_process", lambda: another)
        begin_trial(study, {}, {})
    assert run_sweep(space, BUDGET).row is None
    (parent,) = parents(store)
    assert parent.info.status == "RUNNING"
    assert parent.data.tags["process"] == str(another)


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_sweep_whose_trials_all_fail_has_failed_until_one_is_complete(
    kind: type[Exception],
    run_sweep: Any,
    store: Store,
    space: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> Any:
        raise kind("out of paper")

    with monkeypatch.context() as patch:
        patch.setattr(SharedGrowth, "grow", fail)
        assert run_sweep(space, replace(BUDGET, trials=2)).best is None
    (parent,) = parents(store)
    told = (parent.info.status, parent.data.tags["error"])
    assert told == ("FAILED", f"no trial is complete; the last: {kind.__name__}: out of paper")
    assert run_sweep(space, BUDGET).is_scored
    (parent,) = parents(store)
    assert (parent.info.status, parent.data.tags["error"]) == ("FINISHED", "")
