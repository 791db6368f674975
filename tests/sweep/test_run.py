"""A sweep from stored embeddings to MLflow's nested runs, a tuned row and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run

from benchmark.cli import main
from benchmark.data.prepared import PreparedData
from benchmark.ranking.runs import fetch, run_states
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary, trees
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker, run_one
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from benchmark.sweep.budget import Budget
from benchmark.sweep.growth import SharedGrowth
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.run import Sweep, SweepResult
from benchmark.sweep.space import Space
from benchmark.sweep.trials import is_finished
from benchmark.tracking.items import Artifact, Metric, Tag
from benchmark.tracking.nested import Family, PastRun
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.store import Store
from benchmark.tracking.unsent import send_unsent
from benchmark.training.heads import fit_head
from benchmark.training.inference import EMBEDDINGS_FILE, save_embeddings
from tests.test_cli import assert_one_line_error
from tests.tracking.away import Away

SMALL = ["n_estimators=4:12:4", "max_depth=1,3,none"]


@pytest.fixture
def backbone(data: PreparedData, config: Config) -> RunSpec:
    return RunSpec(
        system=System(model="resnet18", schedule="frozen"),
        data=data.spec,
        train=config.train,
        seed=0,
        weights="demo",
    )


@pytest.fixture
def options(
    backbone: RunSpec, data: PreparedData, store: Store, workplace: Path, image_folder: Path
) -> RunOptions:
    """The backbone's run is complete, with noisy embeddings of its images."""
    import benchmark.runs.run_one as runner

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 10))
    rows = centres[data.labels] + 1.5 * rng.normal(size=(len(data.labels), 10))
    save_embeddings(workplace / EMBEDDINGS_FILE, rows.astype(np.float32), 1.0)
    tags = {"spec_id": backbone.id, "group": "experiment 2", "embeddings": "kept"}
    with open_tracker(store).start(backbone.name, {**tags, "group": "data"}) as run:
        run.log(Artifact(workplace / EMBEDDINGS_FILE), Tag("embeddings", "kept"))
        run.log(Metric("fit_seconds", 1.0))
    options = RunOptions(store=store, home=workplace / "home", device="cpu", explain=False)
    runner.open_data.cache_clear()
    return options


@pytest.fixture
def run_sweep(
    backbone: RunSpec,
    options: RunOptions,
    data: PreparedData,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    for module in ("benchmark.runs.run_one", "benchmark.sweep.head_target"):
        monkeypatch.setattr(f"{module}.open_data", lambda spec, input_, home: data)

    def run(space: Space, budget: Budget, head: str = "extra_trees") -> SweepResult:
        sweep = Sweep(
            target=HeadTarget(base=backbone, head=head),
            space=space,
            budget=budget,
            storage=None,
            home=options.home,
        )
        return sweep.run(options, lambda study, trial: None)

    return run


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


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_missing_embeddings_are_made_first(store: Store, image_folder: Path) -> None:
    settings = ["--data", str(image_folder), "--preset", "quick", "--weights", "demo"]
    for setting in (
        "data.image_size=32",
        "train.epochs=2",
        "train.freeze_epochs=1",
        "pretrain.species=2",
        "pretrain.images_per_species=6",
        "pretrain.epochs=1",
    ):
        settings += ["--set", setting]
    command = ["sweep", "resnet18-frozen/extra_trees", *settings]
    result = bench(*command, "--grid", "n_estimators=5,10", "--grid", "max_depth=3,none")
    assert result.exit_code == 0, result.output
    assert "Needed first: resnet18-pretrained, resnet18-frozen" in result.output
    assert "its test accuracy" in result.output
    again = bench(*command, "--grid", "n_estimators=5,10", "--grid", "max_depth=3,none")
    assert again.exit_code == 0, again.output
    assert "Needed first" not in again.output
    assert "trial 0" not in again.output
    board = bench("leaderboard")
    assert "(tuned)" in board.output
    status = bench("sweep", "--status")
    assert "4 of 4" in status.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["extra_tres"], "did you mean extra_trees?"),
        (["resnet18-frozn"], "did you mean resnet18-frozen"),
        (["resnet18-frozen", "--space", "lr,weigth_decay"], "did you mean weight_decay?"),
        (["resnet18-frozen", "--grid", "lr=-1"], "lr=-1: input should be greater than 0"),
        ([], "bench sweep trees"),
        (["extra_trees", "--sampler", "grid"], "--grid n_estimators="),
        (["extra_trees", "--grid", "max_dep=3"], "did you mean max_depth?"),
        (["extra_trees", "--space", "lr"], "no setting 'lr'"),
        (["extra_trees", "--storage", "sqlite:////nowhere/x.db"], "--storage sqlite:///FILE"),
    ],
)
def test_errors_say_what_to_type(
    arguments: list[str], told: str, workplace: Path, image_folder: Path
) -> None:
    data = ["--data", str(image_folder), "--set", "data.image_size=32", "--weights", "demo"]
    small = ["--set", "pretrain.species=2", "--set", "pretrain.images_per_species=6"]
    result = bench("sweep", *arguments, *data, *small)
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.splitlines()) == 1


def test_the_status_of_no_sweep_says_what_to_type(workplace: Path) -> None:
    assert_one_line_error(bench("sweep", "--status"), "bench sweep trees")


def test_a_sweep_whose_store_goes_away_makes_its_trials_and_writes_them_the_next_time(
    run_sweep: Any, options: RunOptions, backbone: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.sweep.mirror.MIRROR_SECONDS", 0.0)
    away, grow = Away(open_tracker(options.store)), SharedGrowth.grow

    def grow_alone(*args: Any) -> list[float]:
        away.begin()
        return grow(*args)

    space = HeadTarget(base=backbone, head="extra_trees").grid(SMALL)
    budget = Budget(sampler="grid", pruner="none")
    with monkeypatch.context() as patch:
        patch.setattr(SharedGrowth, "grow", grow_alone)
        with pytest.raises(StoreAway):
            run_sweep(space, budget)
    away.end()
    result = run_sweep(space, budget)
    assert [trial.number for trial in result.study.trials] == list(range(9))  # made once
    (parent,) = parents(options.store)
    assert parent.info.status == "FINISHED"
    numbers = [run.data.tags["trial"] for run in children(options.store, parent.info.run_id)]
    assert numbers == [str(number) for number in range(9)]
    assert result.is_scored


def test_a_sweeps_best_that_its_store_did_not_take_is_sent_and_not_scored_again(
    run_sweep: Any, options: RunOptions, backbone: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = open_tracker(options.store)
    away = Away(tracker)

    def fit_alone(*args: Any) -> Any:
        away.begin()
        return fit_head(*args)

    space = HeadTarget(base=backbone, head="extra_trees").grid(SMALL)
    budget = Budget(sampler="grid", pruner="none")
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.runs.head.fit_head", fit_alone)
        with pytest.raises(StoreAway):
            run_sweep(space, budget)
    away.end()
    send_unsent(tracker, options.home)
    result = run_sweep(space, budget)
    assert result.row is not None
    assert result.row.reused
    assert result.is_scored
    assert len(fetch(options.store)) == 1


def test_a_sweep_that_is_interrupted_while_its_best_is_scored_is_killed_and_goes_on(
    run_sweep: Any, store: Store, backbone: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> Any:
        raise KeyboardInterrupt

    space = HeadTarget(base=backbone, head="extra_trees").grid(SMALL)
    budget = Budget(sampler="grid", pruner="none")
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.runs.head.fit_head", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(space, budget)
    (parent,) = parents(store)
    assert parent.info.status == "KILLED"
    assert run_sweep(space, budget).is_scored
    (parent,) = parents(store)
    assert parent.info.status == "FINISHED"
