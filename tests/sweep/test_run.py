"""A sweep from stored embeddings to MLflow's nested runs, a tuned row and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.ranking.runs import fetch, run_states
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary, trees
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker, run_one
from benchmark.study.plan import RunSpec
from benchmark.sweep.budget import Budget
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.mirror import Mirror
from benchmark.sweep.run import Sweep
from benchmark.sweep.trials import is_finished
from benchmark.tracking.nested import Family, PastRun
from benchmark.tracking.store import Store
from registry.code import _hash_of
from tests.plugins import HEAD, install

SMALL = ["n_estimators=4:12:4", "max_depth=1,3,none"]


def children(store: Store, parent: str) -> list[Run]:
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'", max_results=1000
    )
    return sorted(found, key=lambda run: int(run.data.tags["trial"]))


def parents(store: Store) -> list[Run]:
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.group = 'sweep'"))


def test_trials_are_nested_runs_of_one_parent(
    run_sweep: Any, store: Store, backbone: RunSpec
) -> None:
    space = HeadTarget(base=backbone, head="extra_trees").grid([*SMALL, "max_features=sqrt,log2"])
    budget = Budget(sampler="grid", pruner="none", trials=12)
    first = run_sweep(space, budget)
    result = run_sweep(space, replace(budget, trials=None))
    assert first.study.study_name == result.study.study_name
    (parent,) = parents(store)
    assert parent.info.run_name == result.study.study_name
    assert parent.info.status == "FINISHED"
    nested = children(store, parent.info.run_id)
    trials = [trial for trial in result.study.trials if is_finished(trial)]
    assert len(nested) == len(trials) == 18
    for run, trial in zip(nested, trials, strict=True):
        assert run.data.params["head.max_features"] == trial.params["max_features"]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["best_val_accuracy"] == trial.value
    client = MlflowClient(store.uri)
    largest = next(run for run in nested if run.data.params["head.n_estimators"] == "12")
    curve = client.get_metric_history(largest.info.run_id, "val_accuracy")
    assert [metric.step for metric in curve] == [4, 8, 12]
    known = next(run for run in nested if "answered_by_trial" in run.data.tags)
    assert client.get_metric_history(known.info.run_id, "val_accuracy")
    assert known.data.metrics["trees_grown"] == 0
    assert parent.data.metrics["trials"] == 18
    pictures = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"history.png", "plane.png", "importance.png"} <= pictures


def test_another_machines_trials_are_left_to_it_while_it_works_and_are_there_once(
    run_sweep: Any, store: Store, backbone: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = HeadTarget(base=backbone, head="extra_trees").grid(["n_estimators=4,8"])
    budget = Budget(sampler="grid", pruner="none")
    study = run_sweep(space, budget).study
    theirs = study.trials[0]
    theirs.user_attrs["process"] = "elsewhere-1-1"
    study.add_trial(theirs)
    (parent,) = parents(store)
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.sweep.run.others_at_work", lambda study: True)
        run_sweep(space, budget)
        assert len(children(store, parent.info.run_id)) == 2
    family = Family(open_tracker(store), study.study_name, {"sweep": study.study_name})
    family.begin({})
    past = PastRun(name="", tags={"trial": "1"}, items=[], status="FINISHED", start=0, end=0)
    family.add(past)  # at the same time as this machine
    run_sweep(space, budget)
    numbers = [run.data.tags["trial"] for run in children(store, parent.info.run_id)]
    assert numbers == ["0", "1", "2"]


def test_a_study_in_another_storage_has_a_parent_run_of_its_own(
    run_sweep: Any, store: Store, backbone: RunSpec, tmp_path: Path
) -> None:
    space = HeadTarget(base=backbone, head="extra_trees").grid(["n_estimators=4,8"])
    budget = Budget(sampler="grid", pruner="none", trials=1)
    places = [str(tmp_path / f"{name}.journal") for name in "ab"]
    for storage in places:
        run_sweep(space, budget, storage=storage)
    for storage in places:
        run_sweep(space, replace(budget, trials=None), storage=storage)
    found = parents(store)
    assert len(found) == 2
    for parent in found:
        nested = children(store, parent.info.run_id)
        assert [run.data.tags["trial"] for run in nested] == ["0", "1"]


def test_a_study_that_began_before_parent_runs_told_whose_they_are_goes_on_with_its_own(
    run_sweep: Any, store: Store, backbone: RunSpec, tmp_path: Path
) -> None:
    space = HeadTarget(base=backbone, head="extra_trees").grid(["n_estimators=4,8"])
    budget = Budget(sampler="grid", pruner="none", trials=1)
    study = run_sweep(space, budget).study
    (before,) = parents(store)
    MlflowClient(store.uri).delete_tag(before.info.run_id, "study_id")
    study.set_user_attr("study_id", None)
    run_sweep(space, budget, storage=str(tmp_path / "new.journal"))
    run_sweep(space, replace(budget, trials=None))
    assert len(parents(store)) == 2
    assert len(children(store, before.info.run_id)) == 2


def test_the_best_stays_a_row_if_the_parent_run_is_deleted(
    run_sweep: Any, store: Store, backbone: RunSpec
) -> None:
    space = HeadTarget(base=backbone, head="extra_trees").grid(["n_estimators=4,8"])
    budget = Budget(sampler="grid", pruner="none")
    result = run_sweep(space, budget)
    (parent,) = parents(store)
    open_tracker(store).client.delete_run(parent.info.run_id)
    again = run_sweep(space, budget)
    assert again.row.run_id == result.row.run_id
    assert fetch(store)["run_id"].tolist() == [result.row.run_id]
    (made,) = parents(store)
    assert made.info.run_id not in (parent.info.run_id, result.row.run_id)
    assert len(children(store, made.info.run_id)) == 2


def test_a_store_that_is_slow_is_written_to_less_often_and_listed_once_at_the_end(
    backbone: RunSpec, options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = HeadTarget(base=backbone, head="extra_trees")
    sweep = Sweep(
        target=target,
        space=target.grid(["n_estimators=4,8"]),
        budget=Budget(sampler="grid", pruner="none"),
        storage=None,
        home=options.home,
    )
    listed, now = [], 0.0

    def list_slowly(*args: Any) -> dict[str, str]:
        nonlocal now
        now += 5.0
        listed.append(now)
        return {}

    monkeypatch.setattr("benchmark.sweep.mirror.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(Family, "children", list_slowly)
    mirror = Mirror(sweep.open(), sweep, options)
    for now in (14.0, 16.0, 120.0, 122.0, 143.0):  # noqa: B007
        mirror.write_sometimes()
    assert listed == [21.0, 127.0]
    mirror.end(running=False, finished=True, points=[])
    assert len(listed) == 3


def test_the_best_is_scored_once_and_stands_beside_the_grid(
    run_sweep: Any, store: Store, backbone: RunSpec, options: RunOptions
) -> None:
    target = HeadTarget(base=backbone, head="extra_trees")
    point = target.spec({"n_estimators": 100, "max_depth": 10})
    assert run_one(point, options).status == "completed"
    result = run_sweep(target.grid(SMALL), Budget(sampler="grid", pruner="none"))
    assert result.row is not None
    assert result.row.status == "completed"
    assert not result.row.reused
    again = run_sweep(target.grid(SMALL), Budget(sampler="grid", pruner="none"))
    assert again.row.reused
    assert again.row.test_accuracy == result.row.test_accuracy

    runs = fetch(store)
    assert len(runs) == 2
    tuned = runs[runs["tuned"] != ""].iloc[0]
    assert result.best is not None
    assert tuned["best_val_accuracy"] == result.best.value  # by a fit of its own
    table = summary(rank_systems(store, runs)).set_index("system")
    title = target.spec({}).system.title
    gains = table["gain"].to_dict()
    accuracies = table["test_accuracy"].to_dict()
    beside = f"{title} (tuned)"
    assert gains[beside] == pytest.approx(accuracies[beside] - accuracies[title])
    assert np.isnan(gains[title])
    assert len(trees(runs)) == 1
    assert "sweep trial" not in set(run_states(store)["group"])


def test_the_gain_is_over_the_studys_own_points(
    run_sweep: Any, store: Store, backbone: RunSpec, options: RunOptions
) -> None:
    target = HeadTarget(base=backbone, head="random_forest")
    result = run_sweep(target.space(), Budget(trials=5), head="random_forest")
    values = [trial.value for trial in result.study.trials[:3]]
    assert result.start_accuracy == max(values)
    for value, params in zip(values, target.space().points(), strict=True):
        spec = target.spec(params)
        assert spec.name.endswith(f"-n{params['n_estimators']}-d{params['max_depth']}")
        run_one(spec, options)
        runs = fetch(store)
        assert runs[runs["run"] == spec.name].iloc[0]["best_val_accuracy"] == value


def test_a_plugins_head_is_swept_anew_once_its_code_is_another(
    run_sweep: Any, store: Store, backbone: RunSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, mine=HEAD)
    space = HeadTarget(base=backbone, head="majority").grid(["strategy=prior,uniform"])
    budget = Budget(sampler="grid", pruner="none")
    first = run_sweep(space, budget, "majority")
    assert run_sweep(space, budget, "majority").row.run_id == first.row.run_id
    (tmp_path / "bench_mine.py").write_text(f"# mended{HEAD}")
    _hash_of.cache_clear()  # as a new process begins
    second = run_sweep(space, budget, "majority")
    assert len(second.study.trials) == 2
    assert not second.row.reused
    assert fetch(store)["run_id"].tolist() == [second.row.run_id]
