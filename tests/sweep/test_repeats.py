"""The best of a sweep, scored with several seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from optuna.trial import FrozenTrial

from benchmark.classifier.completed import find_runs
from benchmark.cli import main
from benchmark.sweep.trials import best_trial
from benchmark.tracking.store import Store
from tests.test_cli import assert_one_line_error

TINY = ("--set", "data.image_size=32", "--set", "train.batch_size=8", "--set", "train.epochs=1")


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.usefixtures("store")
def test_the_best_is_found_with_one_seed_and_scored_with_all(image_folder: Path) -> None:
    head = "basic_cnn-scratch/extra_trees"
    images = ["--data", str(image_folder), *TINY]
    ran = bench("sweep", head, "--grid", "n_estimators=5,9", *images, "--seeds", "0,7")
    assert ran.exit_code == 0, ran.output
    rows = json.loads(bench("leaderboard", "--format", "json").output)
    (tuned,) = [row for row in rows if row["system"].endswith("(tuned)")]
    assert (tuned["seeds"], tuned["seeds_missing"]) == (2, "")
    runs = json.loads(bench("leaderboard", "--view", "all", "--format", "json").output)
    seeds = {row["seed"]: row["test_accuracy"] for row in runs if row["tuned"]}
    assert set(seeds) == {0, 7}
    assert tuned["test_accuracy"] == pytest.approx(sum(seeds.values()) / 2)
    wrong = bench("sweep", head, *images, "--seeds", "2", "--seed", "1")
    assert_one_line_error(wrong, "--seed and --seeds")


def test_a_new_best_is_the_row_of_its_sweep_with_fewer_seeds_too(
    image_folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "basic_cnn-scratch/extra_trees"
    images = ["--data", str(image_folder), *TINY, "--grid", "n_estimators=5,9"]

    def tuned_row() -> dict[str, Any]:
        rows = json.loads(bench("leaderboard", "--format", "json").output)
        (tuned,) = [row for row in rows if row["system"].endswith("(tuned)")]
        return dict(tuned)

    def find_another(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
        return next((trial for trial in trials if trial is not best_trial(trials)), None)

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.sweep.run.best_trial", find_another)
        assert bench("sweep", head, *images, "--seeds", "0,7").exit_code == 0
    before = tuned_row()
    assert bench("sweep", head, *images).exit_code == 0
    after = tuned_row()
    assert after["settings"] != before["settings"]
    assert (before["seeds"], after["seeds"]) == (2, 1)
    (found,) = find_runs(store, after["system"])
    assert found.data.tags["head_params"] == after["settings"]
    assert found.data.tags["rank"] in {"001", "002"}  # of it and its backbone
