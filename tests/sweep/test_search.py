"""Studies keep their points, count their trials and answer repeats."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from benchmark.sweep.budget import Budget, SamplerName
from benchmark.sweep.space import Space, read_grid
from benchmark.sweep.status import sweep_states
from benchmark.sweep.storage import open_storage
from benchmark.sweep.trials import FINISHED, best_trial
from tests.sweep.synthetic import grid, head_space, make_growth, make_search, open_study

GRID = Budget(sampler="grid", pruner="none")


@pytest.fixture(params=["journal", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "journal":
        return str(tmp_path / "study.journal")
    return f"sqlite:///{tmp_path}/study.db"


def finished(place: str) -> list[FrozenTrial]:
    return [trial for trial in open_study(place).trials if trial.state in FINISHED]


def start(place: str, trials: str, jobs: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.sweep.synthetic", place, trials, str(jobs)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def let_begin(*processes: subprocess.Popen[str]) -> None:
    """Wait until all are ready, and let them begin together."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_points_come_first_and_trials_count_in_all(place: str, tmp_path: Path) -> None:
    first = list(make_search(place, budget=Budget(trials=5)).run())
    points = [(t.params["n_estimators"], t.params["max_depth"]) for t in first[:3]]
    assert points == [(100, 10), (200, 16), (300, 24)]
    assert len(first) == 5
    assert len(list(make_search(place, budget=Budget(trials=7)).run())) == 2
    assert list(make_search(place, budget=Budget(trials=7)).run()) == []
    assert [trial.number for trial in finished(place)] == list(range(7))


def test_a_resumed_study_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, parts = str(tmp_path / "whole.journal"), str(tmp_path / "parts.journal")
    list(make_search(whole, budget=Budget(trials=9)).run())
    for trials in (4, 9):
        list(make_search(parts, budget=Budget(trials=trials)).run())
    assert [(t.params, t.value) for t in finished(whole)] == [
        (t.params, t.value) for t in finished(parts)
    ]
    assert len({str(t.params) for t in finished(parts)}) == 9


def test_repeats_and_smaller_sizes_are_answered_from_what_is_known(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    list(make_search(place, budget=Budget(trials=3)).run())
    study = open_study(place)
    study.enqueue_trial({"n_estimators": 200, "max_depth": 16})
    study.enqueue_trial({"n_estimators": 150, "max_depth": 16})
    growth = make_growth()  # a new process: its memory is empty
    again, smaller = make_search(place, budget=Budget(trials=5), growth=growth).run()
    assert again.value == finished(place)[1].value
    assert again.user_attrs["notes"]["answered_by"] == 1
    assert smaller.value == finished(place)[1].intermediate_values[150]
    assert growth.trees_grown == 0
    assert smaller.value == make_growth().grow({"max_depth": 16}, 150)[149]


def test_a_grid_is_complete_without_repeats_and_stops(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    growth = make_growth()
    trials = list(make_search(place, budget=GRID, space=grid(), growth=growth).run())
    cells = {(t.params["n_estimators"], t.params["max_depth"]) for t in trials}
    assert len(trials) == len(cells) == 8 * 5
    assert growth.trees_grown == 5 * 40
    for trial in trials:
        params = {"max_depth": trial.params["max_depth"]}
        size = trial.params["n_estimators"]
        assert trial.value == growth.grow(params, 0)[size - 1]
    assert list(make_search(place, budget=GRID, space=grid()).run()) == []


def test_pruning_leaves_trees_ungrown(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    study = open_study(place)
    for _ in range(6):
        study.add_trial(
            optuna.trial.create_trial(
                params={"n_estimators": 300, "max_depth": 20},
                distributions={
                    "n_estimators": optuna.distributions.IntDistribution(50, 600, step=10),
                    "max_depth": optuna.distributions.IntDistribution(4, 32),
                },
                value=1.0,
                intermediate_values=dict.fromkeys(range(25, 301, 25), 1.0),
            )
        )
    growth = make_growth()
    (trial,) = make_search(place, budget=Budget(trials=7), growth=growth).run()
    assert trial.state == TrialState.PRUNED
    assert growth.trees_grown < trial.params["n_estimators"]
    assert "median" in trial.user_attrs["notes"]["reason"]


@pytest.mark.parametrize("sampler", ["qmc", "gp"])
def test_other_samplers_search_and_go_on(sampler: SamplerName, tmp_path: Path) -> None:
    places = [str(tmp_path / f"{name}.journal") for name in ("whole", "parts")]
    for place, counts in zip(places, ([6], [3, 6]), strict=True):
        for count in counts:
            list(make_search(place, budget=Budget(trials=count, sampler=sampler)).run())
    whole, parts = ([(t.params, t.value) for t in finished(place)] for place in places)
    assert len(whole) == len(parts) == 6
    assert len({str(params) for params, _ in whole}) == 6
    if sampler == "qmc":  # whose points depend on their numbers alone
        assert whole == parts


def test_hyperband_stops_some_trials_early(tmp_path: Path) -> None:
    budget = Budget(trials=20, sampler="random", pruner="hyperband")
    trials = list(make_search(str(tmp_path / "study.journal"), budget=budget).run())
    states = {trial.state for trial in trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize(
    ("space", "brackets"),
    [
        (head_space("extra_trees"), 3),  # 600 are 12 times as many as the first 50
        (head_space("extra_trees", "max_depth"), 2),
    ],
)
def test_hyperband_stops_by_the_same_rules_from_the_first_trial_on(
    space: Space, brackets: int, tmp_path: Path
) -> None:
    for trials in (1, 2):
        budget = Budget(trials=trials, pruner="hyperband")
        search = make_search(str(tmp_path / "study.journal"), budget=budget, space=space)
        list(search.run())
        assert search.study.pruner._n_brackets == brackets  # type: ignore[attr-defined]


def test_timeout(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    begin = time.monotonic()
    trials = list(make_search(place, budget=Budget(timeout=1.0)).run())
    assert trials
    assert 1.0 <= time.monotonic() - begin < 20


def test_a_small_space_is_searched_until_it_has_nothing_new_although_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.sweep.search.ENOUGH_REPEATS", 9)
    place, space = str(tmp_path / "study.journal"), head_space("extra_trees", "bootstrap")
    trials = list(make_search(place, budget=Budget(timeout=60.0), space=space).run())
    assert {trial.params["bootstrap"] for trial in trials} == {False, True}
    assert all("answered_by" in trial.user_attrs["notes"] for trial in trials[-9:])
    assert "answered_by" not in trials[-10].user_attrs["notes"]
    wanted = len(trials) + 12  # who asks for so many gets so many
    budget = Budget(timeout=60.0, trials=wanted)
    assert len(list(make_search(place, budget=budget, space=space).run())) == 12


def test_two_processes_share_a_grid(place: str, tmp_path: Path) -> None:
    processes = [start(place, "grid") for _ in range(2)]
    let_begin(*processes)
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(told), "one process did everything"
    trials = finished(place)
    cells = [(t.params["n_estimators"], t.params["max_depth"]) for t in trials]
    assert len(cells) == len(set(cells)) == 40
    assert sorted(map(int, told[0] + told[1])) == [trial.number for trial in trials]
    growth = make_growth()
    for trial in trials:
        curve = growth.grow({"max_depth": trial.params["max_depth"]}, 40)
        assert trial.value == curve[trial.params["n_estimators"] - 1]


def test_two_processes_make_so_many_trials_in_all(tmp_path: Path) -> None:
    place = str(tmp_path / "study.journal")
    processes = [start(place, "14") for _ in range(2)]
    let_begin(*processes)
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert all(told)
    assert len(finished(place)) == 14
    params = [str(trial.params) for trial in finished(place)]
    assert len(set(params)) > 11, "both drew the same"


def test_two_workers_give_what_one_gives_and_grow_no_tree_twice(tmp_path: Path) -> None:
    deadly = tmp_path / "deadly"
    found = []
    for jobs in (1, 2):
        if jobs == 2:
            deadly.touch()  # one of the two dies: its trial is made again by another
        place = str(tmp_path / f"{jobs}.journal")
        search = make_search(place, budget=GRID, space=grid(), jobs=jobs, deadly=deadly)
        list(search.run())
        search.workers.end()
        trials = open_study(place).trials
        grown = sum(trial.user_attrs["notes"]["work"] for trial in trials)
        found.append(({str(trial.params): trial.value for trial in trials}, grown, len(trials)))
    assert found[0] == found[1]
    assert not deadly.exists()
    assert not multiprocessing.active_children()


def test_status_from_outside(tmp_path: Path) -> None:
    place = str(tmp_path / "sweeps" / "study.journal")
    with pytest.raises(ValueError, match="bench sweep trees"):
        sweep_states(tmp_path / "sweeps", None)
    search = make_search(place, budget=Budget(trials=3))
    search.study.set_user_attr("about", {"trials": 3})
    steps = search.run()
    next(steps)
    row = sweep_states(tmp_path / "sweeps", None).iloc[0]
    assert (row["state"], row["trials"]) == ("running (1)", "1 of 3")
    assert row["left"]
    list(steps)
    row = sweep_states(tmp_path / "sweeps", None).iloc[0]
    assert (row["state"], row["trials"]) == ("finished", "3 of 3")
    best = best_trial(finished(place))
    assert best is not None
    assert row["best_val_accuracy"] == best.value


def test_a_grid_is_finished_with_its_last_cell_however_many_trials_are_asked_for(
    tmp_path: Path,
) -> None:
    place, space = (
        str(tmp_path / "study.journal"),
        read_grid(["n_estimators=4,8"], "extra_trees", ["n_estimators"]),
    )
    search = make_search(place, budget=GRID, space=space)
    search.study.set_user_attr("about", {"trials": 50, "cells": 2})
    list(search.run())
    row = sweep_states(tmp_path, None).iloc[0]
    assert (row["state"], row["trials"]) == ("finished", "2 of 2")


def test_an_unreachable_storage(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--storage"):
        open_storage(f"sqlite:///{tmp_path}/missing/study.db", tmp_path / "default")
    with pytest.raises(ValueError, match="--storage"):
        open_storage("nonsense://x", tmp_path / "default")
    assert not (tmp_path / "missing").exists()
