"""Nearest neighbours by cosine similarity, the other usual probe of frozen features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.heads import register_head
from registry.search_space import SearchSpace, Suggest

if TYPE_CHECKING:
    from sklearn.neighbors import KNeighborsClassifier


def suggest_knn(trial: Suggest) -> dict[str, Any]:
    """Suggest how many neighbours vote."""
    return {"n_neighbors": trial.suggest_int("n_neighbors", 1, 50, log=True)}


@register_head(
    "knn",
    title="Nearest Neighbours",
    grid=({"n_neighbors": 1}, {"n_neighbors": 5}, {"n_neighbors": 10}),
    search_space=SearchSpace(suggest=suggest_knn, defaults={}),
)
def knn(*, seed: int, jobs: int, **params: Any) -> KNeighborsClassifier:
    """Make an unfitted classifier whose nearer neighbours have more say; nothing is random.

    Its ``params`` are scikit-learn's; of fewer images than ``n_neighbors``, all are neighbours.
    """
    from sklearn.neighbors import KNeighborsClassifier

    own = {"metric": "cosine", "weights": "distance", **params}
    return KNeighborsClassifier(n_jobs=jobs, **own)
