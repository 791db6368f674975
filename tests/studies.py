"""Runs whole studies on small data, and finds what was tracked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run

from benchmark.execution.launch import Launch
from benchmark.execution.listener import Listener
from benchmark.execution.planning import SaveWeights, plan_study
from benchmark.runs.options import Outcome
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker

FROZEN = "resnet18-frozen"
HEAD = "resnet18-frozen/extra_trees-n100-d10"


class Quiet(Listener):
    """Remembers what started."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def started(self, spec: RunSpec) -> None:
        self.begun.append(spec.name)


def launch(
    config: Config,
    *names: str,
    save_weights: SaveWeights = "needed",
    explain: bool = False,
) -> Launch:
    home = Path("home")
    return Launch(
        study=plan_study(config, find_systems(names), home),
        home=home,
        device="cpu",
        save_weights=save_weights,
        explain=explain,
    )


def run(
    config: Config,
    *names: str,
    force: bool = False,
    save_weights: SaveWeights = "needed",
    explain: bool = False,
    listener: Quiet | None = None,
) -> dict[str, Outcome]:
    launched = launch(config, *names, save_weights=save_weights, explain=explain)
    outcomes = replace(launched, force=force).execute(listener or Quiet())
    return {outcome.spec.name: outcome for outcome in outcomes}


def tracked(store: Store, name: str) -> list[Run]:
    tracker = open_tracker(store)
    return list(
        tracker.client.search_runs([tracker.experiment_id], f"attributes.run_name = '{name}'")
    )


def artifact(tracker: Tracker, run_id: str, name: str) -> Path:
    """Where an artifact lies: in the tests' store, it stays there."""
    with tracker.artifact(run_id, name) as path:
        return path


def files(tracker: Tracker, run_id: str, folder: str | None = None) -> set[str]:
    return {entry.path for entry in tracker.client.list_artifacts(run_id, folder)}


@contextmanager
def own_store(folder: Path, database: Path) -> Iterator[None]:
    """Work in a folder with a store of its own: for tests that share what they are given.

    Args:
        folder: Becomes the current one.
        database: An empty store, which is copied there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BENCH_HOME", "home")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", str(folder / "artifacts"))
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
        patch.delenv("COLUMNS", raising=False)  # a table is as wide as it is
        Path("mlflow.db").write_bytes(database.read_bytes())
        yield
