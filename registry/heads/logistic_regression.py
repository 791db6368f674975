"""Logistic regression on standardised features, the linear probe of transfer benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.heads import register_head
from registry.search_space import SearchSpace, Suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

MAX_ITERATIONS = 1000


def suggest_logistic_regression(trial: Suggest) -> dict[str, Any]:
    """Suggest how little to regularise."""
    return {"C": trial.suggest_float("C", 1e-4, 100, log=True)}


def linear_contributions(
    classifier: Any, embeddings: NDArray[np.float32], classes: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Divide a class's logit among the features: exact, since it is their weighted sum.

    Args:
        classifier: A fitted pipeline of this head.
        embeddings: (N, F).
        classes: (N,).

    Returns:
        (N, F); with the class's intercept, a row adds up to its logit.
    """
    import numpy as np

    scaler, regression = classifier[0], classifier[-1]
    weights = regression.coef_
    if len(weights) == 1:  # of two classes, scikit-learn keeps the second one's weights alone
        weights = np.concatenate([-weights, weights])
    contributions: NDArray[np.floating[Any]] = scaler.transform(embeddings) * weights[classes]
    return contributions


@register_head(
    "logistic_regression",
    title="Logistic Regression",
    grid=({"C": 0.01}, {"C": 0.1}, {"C": 1.0}),
    search_space=SearchSpace(suggest=suggest_logistic_regression, defaults={}),
    contributions=linear_contributions,
)
def logistic_regression(*, seed: int, jobs: int, **params: Any) -> Pipeline:
    """Make an unfitted pipeline of both; ``params`` are those of scikit-learn's regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    own = {"max_iter": MAX_ITERATIONS, **params}
    return make_pipeline(StandardScaler(), LogisticRegression(random_state=seed, **own))
