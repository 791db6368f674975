"""A network that is interrupted goes on from its last epoch, as one row that shows all of them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from benchmark.execution.planning import plan_study
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker, run_one
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from tests.execution.test_parallel import all_runs
from tests.studies import run

LEFT_OUT = ("seconds", "_ms", "memory")


def losses(store: Store, run: Run) -> list[tuple[int, float]]:
    history = open_tracker(store).client.get_metric_history(run.info.run_id, "train_loss")
    return [(point.step, point.value) for point in history]


def figures(run: Run) -> dict[str, float]:
    kept = run.data.metrics.items()
    return {name: value for name, value in kept if not any(part in name for part in LEFT_OUT)}


def interrupt(spec: RunSpec, result: EpochResult) -> None:
    if result.epoch == 2:
        raise KeyboardInterrupt


def test_its_row_is_that_of_an_undisturbed_one(
    config: Config,
    workplace: Path,
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (spec,) = plan_study(config, find_systems(["basic_cnn"]), workplace / "home").plan
    settings: dict[str, Any] = {"home": workplace / "home", "device": "cpu", "explain": False}
    options = RunOptions(store=store, **settings, checkpoint_seconds=0)
    kept = workplace / "home" / "checkpoints" / f"{spec.id}.pt"
    with pytest.raises(KeyboardInterrupt):
        run_one(spec, options, interrupt)
    assert kept.exists()
    told: list[int] = []
    goes_on = run_one(spec, options, lambda spec, result: told.append(result.epoch))
    assert (goes_on.status, told) == ("completed", [3])
    assert not kept.exists()
    assert caplog.messages == ["basic_cnn-scratch goes on after epoch 2 of 3"]
    apart = replace(options, store=replace(store, experiment="apart"))
    assert run_one(spec, apart).status == "completed"
    (alone,) = all_runs(apart.store)
    killed, resumed = sorted(all_runs(store), key=lambda run: run.info.start_time)
    assert (killed.info.status, resumed.info.status) == ("KILLED", "FINISHED")
    assert losses(store, resumed) == losses(apart.store, alone)
    assert [step for step, _ in losses(store, resumed)] == [1, 2, 3]
    assert figures(resumed) == figures(alone)
    assert resumed.data.metrics["fit_seconds"] > 0


def test_what_nobody_goes_on_from_does_not_stay(config: Config, workplace: Path) -> None:
    checkpoints = workplace / "home" / "checkpoints"
    (outcome,) = run(config, "basic_cnn").values()
    own, old, recent = (checkpoints / f"{name}.pt" for name in (outcome.spec.id, "old", "recent"))
    for file, days in ((own, 0), (old, 15), (recent, 13)):
        file.write_bytes(b"state")
        os.utime(file, (0, time.time() - days * 86400))
    (outcome,) = run(config, "basic_cnn").values()
    assert outcome.reused
    assert [*checkpoints.glob("*.pt")] == [recent]
