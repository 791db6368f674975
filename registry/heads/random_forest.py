"""Random Forest (Breiman 2001) as a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.heads import STUDY_GRID, register_head
from registry.heads.forests import (
    FOREST_DEFAULTS,
    FOREST_TYPES,
    ForestGrowth,
    describe_forest,
    forest_contributions,
    suggest_forest,
)
from registry.search_space import SearchSpace, Suggest

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


def suggest_random_forest(trial: Suggest) -> dict[str, Any]:
    """Suggest a forest's settings, and the share of the images that each tree's sample draws."""
    return {
        **suggest_forest(trial),
        "max_samples": trial.suggest_float("max_samples", 0.3, 1.0),
    }


@register_head(
    "random_forest",
    title="Random Forest",
    grid=STUDY_GRID,
    describe=describe_forest,
    search_space=SearchSpace(
        suggest=suggest_random_forest, defaults={**FOREST_DEFAULTS, "max_samples": 1.0}
    ),
    growth=ForestGrowth,
    contributions=forest_contributions,
    trusted_types=FOREST_TYPES,
)
def random_forest(*, seed: int, jobs: int, **params: Any) -> RandomForestClassifier:
    """Make an unfitted Random Forest; ``params`` are scikit-learn's."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed, n_jobs=jobs, **params)
