"""Extremely randomised trees (Geurts et al. 2006) as a head."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier

from registry.heads import STUDY_GRID, register_head
from registry.heads.forests import describe_forest


@register_head("extra_trees", title="Extra Trees", grid=STUDY_GRID, describe=describe_forest)
def extra_trees(*, seed: int, jobs: int, **params: Any) -> ExtraTreesClassifier:
    """Make an unfitted Extra Trees classifier; ``params`` are scikit-learn's."""
    return ExtraTreesClassifier(random_state=seed, n_jobs=jobs, **params)
