"""Extremely randomised trees (Geurts et al. 2006) as a head."""

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
    from sklearn.ensemble import ExtraTreesClassifier


def suggest_extra_trees(trial: Suggest) -> dict[str, Any]:
    """Suggest a forest's settings, and whether each tree sees a bootstrap sample."""
    return {
        **suggest_forest(trial),
        "bootstrap": trial.suggest_categorical("bootstrap", [False, True]),
    }


@register_head(
    "extra_trees",
    title="Extra Trees",
    grid=STUDY_GRID,
    describe=describe_forest,
    search_space=SearchSpace(
        suggest=suggest_extra_trees, defaults={**FOREST_DEFAULTS, "bootstrap": False}
    ),
    growth=ForestGrowth,
    contributions=forest_contributions,
    trusted_types=FOREST_TYPES,
)
def extra_trees(*, seed: int, jobs: int, **params: Any) -> ExtraTreesClassifier:
    """Make an unfitted Extra Trees classifier; ``params`` are scikit-learn's."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(random_state=seed, n_jobs=jobs, **params)
