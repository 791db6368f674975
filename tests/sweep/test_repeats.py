"""The best of a sweep, scored with several seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
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
