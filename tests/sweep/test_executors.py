"""A sweep comes to the same, in one process, in several, and on a Ray cluster."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

from benchmark.cli import main
from benchmark.sweep.storage import open_storage, study_states
from benchmark.tracking.store import Store
from registry.heads.forests import ForestGrowth
from tests.plugins import install

pytestmark = pytest.mark.long

WARNS = """
import logging
from registry.heads.forests import ForestGrowth

grow = ForestGrowth.grow


def warn_and_grow(self, size):
    logging.getLogger("benchmark.trees").warning("growing to %d", size)
    return grow(self, size)


ForestGrowth.grow = warn_and_grow
"""
COMMAND = [
    *("sweep", "basic_cnn-scratch/extra_trees", "--device", "cpu"),
    *("--grid", "n_estimators=4:12:4", "--grid", "max_depth=1,2,none"),
    *("--set", "data.image_size=32", "--set", "train.batch_size=8", "--set", "train.epochs=1"),
]


def test_executors_give_the_same_trials_and_tell_the_same_warnings(
    image_folder: Path, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = {"one": [], "two": ["--jobs", "2"]}
    if importlib.util.find_spec("ray") is not None:
        ways["ray"] = ["--executor", "ray", "--jobs", "2"]
    monkeypatch.setattr(ForestGrowth, "grow", ForestGrowth.grow)  # as it is again afterwards
    install(monkeypatch, workplace / "plugins", warns=WARNS)
    monkeypatch.setenv("PYTHONPATH", str(workplace / "plugins"))
    found = {}
    for name, way in ways.items():
        file = Path(f"{name}.journal")
        command = [*COMMAND, "--data", str(image_folder), "--storage", str(file), *way]
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 0, ran.output
        assert "its test accuracy" in ran.output
        warned = [line for line in ran.stderr.splitlines() if line.startswith("Warning: growing")]
        assert len(warned) == 3, ran.stderr  # a depth each
        (study,) = study_states(open_storage(str(file), file))
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
        found[name] = sorted((str(trial.params), trial.value) for trial in study.trials)
    assert len(found["one"]) == 9
    assert all(trials == found["one"] for trials in found.values())
