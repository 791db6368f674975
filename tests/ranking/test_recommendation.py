"""What is said of the best row, and of how much its test split can tell."""

from __future__ import annotations

from pathlib import Path

from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.runs import fetch
from benchmark.ranking.spread import RECIPE_SEEDS
from benchmark.ranking.systems import compare, rank_systems, repeats
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import log


def test_what_the_test_split_can_show_is_told_with_its_conditions(
    store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    for seed in range(RECIPE_SEEDS):
        for name, skill in (("best", 0.8), ("poor", 0.3)):
            log(tracker, name, skill, skill, tmp_path / f"{name}{seed}", seed=seed)
        _, told = recommendation(rank_systems(store, fetch(store)))
        assert " points on (one alone, in four of five times, before Holm's correction); 2 " in told
        enough = seed + 1 == RECIPE_SEEDS
        assert (f"of the recipes ({RECIPE_SEEDS} seeds)" in told) == enough
        assert (" images. The spread of seeds comes on top. This is" in told) == enough


def test_a_time_is_told_without_a_power_of_ten(store: Store, tmp_path: Path) -> None:
    for name in ("best", "other"):
        log(Tracker(store), name, 0.8, 0.8, tmp_path / name)
    runs = fetch(store)
    answers = rank_systems(store, runs).answers
    for time, told in ((123.4, "120"), (1234.0, "1,200"), (9.96, "10"), (0.00001, "0.00001")):
        first, _ = recommendation(compare(repeats(runs.assign(inference_ms=time)), answers))
        assert first.endswith(f" ({told} ms an image).")
