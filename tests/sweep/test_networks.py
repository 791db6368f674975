"""Networks are swept by their training settings, with epochs as the steps of pruning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from optuna.trial import TrialState

from benchmark.cli import main
from benchmark.data.prepared import PreparedData
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import summary
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_data
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System
from benchmark.sweep.budget import Budget
from benchmark.sweep.network_target import NetworkMeasurement, NetworkTarget
from benchmark.sweep.run import Sweep, SweepResult
from benchmark.tracking.store import Store
from benchmark.training import inference
from tests.execution.test_parallel import all_runs

SETTINGS = ["data.image_size=32", "train.epochs=3", "train.batch_size=8"]


@pytest.fixture
def base(data: PreparedData, config: Config) -> RunSpec:
    system = System(model="basic_cnn", schedule="scratch")
    return RunSpec(system=system, data=data.spec, train=config.train, seed=0)


@pytest.fixture
def options(
    store: Store, workplace: Path, data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> RunOptions:
    open_data.cache_clear()
    for module in ("benchmark.runs.run_one", "benchmark.sweep.network_target"):
        monkeypatch.setattr(f"{module}.open_data", lambda spec, input_, home: data)
    return RunOptions(store=store, home=workplace / "home", device="cpu", explain=False)


@pytest.fixture
def run_sweep(base: RunSpec, options: RunOptions) -> Any:
    def run(only: tuple[str, ...], budget: Budget) -> SweepResult:
        target = NetworkTarget(base=base)
        sweep = Sweep(
            target=target,
            space=target.space(only),
            budget=budget,
            storage=None,
            home=options.home,
        )
        return sweep.run(options, lambda study, trial: None)

    return run


def test_a_sweep_begins_with_the_settings_and_scores_its_best(
    run_sweep: Any, store: Store, base: RunSpec
) -> None:
    result = run_sweep(("lr", "weight_decay"), Budget(trials=4, pruner="none"))
    trials = result.study.trials
    assert trials[0].params == {"lr": base.train.lr, "weight_decay": 0.0}
    assert {"lr", "weight_decay"} == set(trials[1].params)
    assert trials[1].user_attrs["fixed"] == {"batch_size": base.train.batch_size}
    assert result.start_accuracy == trials[0].value
    assert len({trial.params["lr"] for trial in trials}) == 4

    row = fetch(store).iloc[0]
    assert result.best is not None
    assert row["best_val_accuracy"] == result.best.value  # trained again, from the same seed
    assert row["context"] == base.context  # beside the network as it is
    table = summary(rank_systems(store, fetch(store)))
    assert table.loc[0, "system"] == "Basic CNN (tuned)"
    assert "lr=" in str(table.loc[0, "settings"])

    client = MlflowClient(store.uri)
    found = client.search_runs(["1"], "tags.kind = 'trial'")
    assert len(found) == 4
    first = next(run for run in found if run.data.tags["trial"] == "0")
    assert float(first.data.params["train.lr"]) == base.train.lr
    assert first.data.metrics["epochs_trained"] == base.train.epochs
    curve = client.get_metric_history(first.info.run_id, "val_accuracy")
    assert [metric.step for metric in curve] == [1, 2, 3]
    (parent,) = client.search_runs(["1"], "tags.group = 'sweep'")
    pictures = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"history.png", "slices.png"} <= pictures


def test_poor_trials_are_pruned_at_epochs(run_sweep: Any, base: RunSpec) -> None:
    first = run_sweep(("lr",), Budget(trials=1))
    study = first.study
    lr = optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True)
    for _ in range(6):
        study.add_trial(
            optuna.trial.create_trial(
                params={"lr": 1e-3},
                distributions={"lr": lr},
                value=1.0,
                intermediate_values={1: 1.0, 2: 1.0, 3: 1.0},
            )
        )
    study.enqueue_trial({"lr": 1e-5})
    pruned = run_sweep(("lr",), Budget(trials=8)).study.trials[-1]
    assert pruned.state == TrialState.PRUNED
    assert pruned.user_attrs["notes"]["work"] < base.train.epochs
    assert "median" in pruned.user_attrs["notes"]["reason"]
    client = MlflowClient(Store().uri)
    (shown,) = client.search_runs(["1"], "tags.trial_state = 'pruned'")
    assert shown.info.status == "FINISHED"  # MLflow would show another as a failure
    (parent,) = client.search_runs(["1"], "tags.group = 'sweep'")
    assert parent.data.params["train.lr"] == "1e-05 to 0.1, log"
    view = f"sweep-{parent.info.run_id[:8]}"
    assert f"viewStateShareKey={view}" in parent.data.tags["mlflow.note.content"]
    assert f"mlflow.sharedViewState.{view}" in client.get_experiment("1").tags


def test_a_loss_that_is_no_number_prunes_its_trial(base: RunSpec, options: RunOptions) -> None:
    target = NetworkTarget(base=base)
    objective = NetworkMeasurement(target, options)
    with pytest.raises(optuna.TrialPruned, match="no longer finite"):
        list(objective.measure({"lr": 100, "optimizer": "sgd"}))
    with pytest.raises(ValueError, match="lr=-1"):
        target.spec({"lr": -1})


def test_a_frozen_backbone_is_run_once_for_all_trials(
    base: RunSpec, options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[str] = []
    pool = inference.pool_rows

    def counted(*arguments: Any) -> Any:
        passes.append("pass")
        return pool(*arguments)

    for room in ("training.trainer.pool_examples", "runs.pooled_features.pool_rows"):
        monkeypatch.setattr(f"benchmark.{room}", counted)
    frozen = replace(base, system=System(model="resnet18", schedule="frozen"))
    objective = NetworkMeasurement(NetworkTarget(base=frozen), options)
    curves = [list(objective.measure({"lr": lr})) for lr in (1e-4, 1e-2, 1e-4)]
    assert passes == ["pass"]
    assert curves[0] == curves[2] != curves[1]
    assert objective.work == sum(map(len, curves))
    later = NetworkMeasurement(NetworkTarget(base=frozen), options)  # of another command
    assert [*later.measure({"lr": 1e-2})] == curves[1]
    assert passes == ["pass"]


def test_frozen_epochs_of_staged_fine_tuning_prune_no_trial(
    base: RunSpec, options: RunOptions
) -> None:
    staged = replace(base, system=System(model="resnet18", schedule="staged"))
    objective = NetworkMeasurement(NetworkTarget(base=staged), options)
    for frozen, told in ((0, [1, 2, 3]), (2, [3]), (3, [1, 2, 3])):
        steps = [step for step, _ in objective.measure({"freeze_epochs": frozen})]
        assert steps == told


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_from_the_command_line(store: Store, image_folder: Path) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = ["sweep", "basic_cnn-scratch", "--data", str(image_folder), *settings]
    grid = ["--grid", "lr=0.001,0.01", "--grid", "batch_size=8,16"]
    result = bench(*command, *grid)
    assert result.exit_code == 0, result.output
    assert "Needed first" not in result.output
    assert "its test accuracy" in result.output
    more = bench(*command, "--space", "lr", "--trials", "2")
    assert more.exit_code == 0, more.output
    assert "the settings it began with" in more.output
    names = [str(run.info.run_name) for run in all_runs(store)]
    trials = [name for name in names if name.startswith("trial ")]
    assert len(trials) == 6
    assert all(" lr=" in name for name in trials), trials
    board = bench("leaderboard", "--format", "csv")
    assert board.output.count("Basic CNN (tuned)") == 1  # the better of two sweeps
    status = bench("sweep", "--status")
    assert "4 of 4" in status.output
    assert "2 of 2" in status.output


def test_missing_weights_are_told_before_any_trial(workplace: Path, image_folder: Path) -> None:
    folder = workplace / "weights"
    folder.mkdir()
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = ["sweep", "resnet18-frozen", "--data", str(image_folder), *settings]
    result = bench(*command, "--weights", str(folder))
    assert (result.exit_code, "weights holds no weights: no file" in result.output) == (2, True)
    (folder / "of_another.pth").touch()
    result = bench(*command, "--weights", str(folder))
    assert result.exit_code == 2
    assert "resnet18-frozen cannot be swept" in result.output
    assert "resnet18-f37072fd.pth" in result.output


def test_a_network_is_swept_with_its_teacher(store: Store, image_folder: Path) -> None:
    settings = [*SETTINGS, "train.teacher=convmixer-scratch", "train.epochs=2"]
    options = [part for setting in settings for part in ("--set", setting)]
    result = bench(
        "sweep",
        "basic_cnn",
        "--data",
        str(image_folder),
        *options,
        "--space",
        "lr",
        "--trials",
        "1",
    )
    assert result.exit_code == 0, result.output
    assert "Needed first: convmixer-scratch" in result.output
    assert "Basic CNN (distilled) (tuned)" in bench("leaderboard").output
