"""What is expected of runs, from what runs took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.evaluation.cost import time_training
from benchmark.execution.forecast import Forecast, read_measured, time_unknown, work_of
from benchmark.execution.launch import Launch
from benchmark.execution.planning import plan_study
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import System, find_systems
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from tests.studies import run, tracked


@pytest.fixture
def specs(config: Config, workplace: Path) -> dict[str, RunSpec]:
    train = config.train.model_copy(update={"epochs": 8, "freeze_epochs": 4})
    config = config.model_copy(update={"train": train})
    names = ["convmixer", "resnet18-staged/extra_trees"]
    plan = plan_study(config, find_systems(names), Path("home")).plan
    return {spec.name: spec for spec in plan}


def epoch(number: int, seconds: float) -> EpochResult:
    return EpochResult(
        epoch=number,
        train_loss=1.0,
        train_accuracy=0.5,
        val_loss=1.0,
        val_accuracy=0.5,
        seconds=seconds,
    )


def test_the_time_left_is_smooth_where_the_backbone_is_unfrozen(specs: dict[str, RunSpec]) -> None:
    spec = specs["resnet18-staged"]
    flops_a_second = 1e9
    scratch = replace(spec, system=replace(spec.system, schedule="scratch"))
    unfrozen = (work_of(scratch) or 0.0) / spec.train.epochs / flops_a_second
    frozen = replace(spec, system=replace(spec.system, schedule="frozen"))
    passed = (work_of(frozen) or 0.0) / flops_a_second  # the backbone runs once over all images
    forecast = Forecast()
    expected = [0.01 * (4 - done) + 4 * unfrozen for done in (1, 2, 3, 4)]
    for done, seconds in enumerate(expected, start=1):
        assert forecast.left(spec, epoch(done, 0.01), passed) == pytest.approx(seconds)
    assert forecast.left(spec, epoch(5, unfrozen), 99.0) == pytest.approx(3 * unfrozen)
    assert forecast.left(spec, epoch(8, unfrozen), 99.0) == 0


def test_what_was_measured_decides_what_is_expected(specs: dict[str, RunSpec]) -> None:
    spec = specs["convmixer-scratch"]
    forecast = Forecast()
    assert forecast.seconds(spec) is None
    assert forecast.total(specs.values()) is None
    forecast.learn(spec, seconds=12.0, explaining=2.0)
    assert forecast.seconds(spec) == pytest.approx(12.0)
    twice = replace(spec, data=replace(spec.data, num_images=2 * spec.data.num_images))
    assert forecast.seconds(twice) == pytest.approx(22.0)  # explaining takes what it took
    forecast.learn(spec, seconds=5.0, epochs=4)  # half of them, on a faster machine
    assert forecast.seconds(spec) == pytest.approx(10.0)


def test_another_network_is_expected_by_its_operations(specs: dict[str, RunSpec]) -> None:
    known, other = specs["convmixer-scratch"], specs["resnet18-staged"]
    forecast = Forecast()
    forecast.learn(known, seconds=10.0)
    speed = (work_of(known) or 0.0) / 10
    assert forecast.seconds(other) == pytest.approx((work_of(other) or 0.0) / speed)


def test_heads_are_expected_by_their_trees(specs: dict[str, RunSpec]) -> None:
    small, large = (specs[f"resnet18-staged/extra_trees-n{n}"] for n in ("100-d10", "300-d24"))
    forecast = Forecast()
    forecast.learn(small, seconds=2.0, explaining=1.0)
    assert forecast.seconds(large) == pytest.approx(4.0)


def test_a_few_steps_are_timed_of_what_is_not_known(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, float] = {}

    def timed(system: System, *rest: Any) -> float:
        steps[system.model] = time_training(system, *rest)
        return steps[system.model]

    monkeypatch.setattr("benchmark.evaluation.cost.time_training", timed)
    names = ["convmixer", "resnet18-staged/extra_trees"]
    launch = Launch(study=plan_study(config, find_systems(names), Path("home")), home=Path("home"))
    plan = launch.study.plan
    assert read_measured(launch.options) == []
    assert time_unknown(launch.forecast, plan, launch.options) == 3  # two networks and a head
    assert time_unknown(launch.forecast, plan, launch.options) == 0
    each = [launch.forecast.seconds(spec) for spec in plan]
    assert all(each)
    assert launch.forecast.total(plan) == pytest.approx(sum(filter(None, each)))
    network = next(spec for spec in plan if spec.name == "convmixer-scratch")
    # Of an epoch's images 70% are trained on, and the others take a sixth of that.
    images = 0.75 * network.train.epochs * network.data.num_images
    assert launch.forecast.seconds(network) == pytest.approx(steps["convmixer"] * images)


@pytest.mark.parametrize("flips", [False, True])
def test_runs_of_the_store_are_what_was_measured(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch, flips: bool
) -> None:
    train = config.train.model_copy(update={"test_flip": flips})
    config = config.model_copy(update={"train": train})
    run(config, "resnet18-staged/extra_trees-n100-d10")
    names = ["resnet18-staged/extra_trees"]
    study = plan_study(config, find_systems(names), Path("home"))
    launch = Launch(study=study, home=Path("home"), device="cpu")
    complete = [spec for spec in study.plan if spec.id in launch.complete]
    assert {spec.name for spec in complete} == {
        *("resnet18-pretrained", "resnet18-staged", "resnet18-staged/extra_trees-n100-d10"),
    }
    assert all(map(launch.forecast.knows, study.plan))
    for spec in complete:
        (made,) = tracked(store, spec.name)
        took = (made.info.end_time - made.info.start_time) / 1000
        assert launch.forecast.seconds(spec) == pytest.approx(took)
    # As Ray's workers are told, which find their own.
    monkeypatch.setattr("benchmark.training.devices.find_device", lambda name: torch.device("cpu"))
    found = read_measured(replace(launch.options, device="auto"))
    assert found
    assert found == read_measured(launch.options)
