"""A sweep comes to the same, in one process, in several, and on a Ray cluster."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

from benchmark.cli import main
from benchmark.sweep.storage import open_storage, study_states

COMMAND = [
    *("sweep", "basic_cnn-scratch/extra_trees", "--device", "cpu"),
    *("--grid", "n_estimators=4:12:4", "--grid", "max_depth=1,2,none"),
    *("--set", "data.image_size=32", "--set", "train.batch_size=8", "--set", "train.epochs=1"),
]


@pytest.mark.usefixtures("workplace")
def test_executors_give_the_same_trials(image_folder: Path) -> None:
    ways = {"one": [], "two": ["--jobs", "2"], "ray": ["--executor", "ray", "--jobs", "2"]}
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    found = {}
    for name, way in ways.items():
        file = Path(f"{name}.journal")
        command = [*COMMAND, "--data", str(image_folder), "--storage", str(file), *way]
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 0, ran.output
        assert "its test accuracy" in ran.output
        (study,) = study_states(open_storage(str(file), file))
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
        found[name] = sorted((str(trial.params), trial.value) for trial in study.trials)
    assert len(found["one"]) == 9
    assert found["one"] == found["two"] == found["ray"]
