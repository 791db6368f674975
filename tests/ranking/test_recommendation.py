"""What is said of the best row, and of how much its test split can tell."""

from __future__ import annotations

from pathlib import Path

from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.runs import fetch
from benchmark.ranking.spread import RECIPE_SEEDS
from benchmark.ranking.systems import rank_systems
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
