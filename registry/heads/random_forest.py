"""Random Forest (Breiman 2001) as a head."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import RandomForestClassifier

from registry.heads import STUDY_GRID, register_head
from registry.heads.forests import describe_forest


@register_head("random_forest", title="Random Forest", grid=STUDY_GRID, describe=describe_forest)
def random_forest(*, seed: int, jobs: int, **params: Any) -> RandomForestClassifier:
    """Make an unfitted Random Forest; ``params`` are scikit-learn's."""
    return RandomForestClassifier(random_state=seed, n_jobs=jobs, **params)
