"""Turns a head into nothing if it keeps what it promises, else into what to change."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import permutations

import numpy as np

from registry.checks.fitted import CLASSES, Fitted
from registry.checks.parts import can_be_kept, can_be_swept, contributes, describes, grows
from registry.heads import heads
from registry.specs import HeadSpec

_CLEAR = 0.9


def check_head(head: str | HeadSpec) -> None:
    """Check a head's contract on embeddings of three classes that are far apart.

    Args:
        head: Name of a registered one, or a spec.

    Raises:
        CheckFailed: It does not keep it; the message says what to change.
        UserError: No head has that name.
    """
    fitted = Fitted(spec=heads[head] if isinstance(head, str) else head)
    for check in HEAD_CHECKS:
        check(fitted)


def is_described(fitted: Fitted) -> None:
    """It has a title, and a grid of points that differ."""
    spec = fitted.spec
    if not spec.title.strip():
        raise fitted.fail("its title is empty; say what people call it")
    for place, point in enumerate(spec.grid):
        if point in spec.grid[:place]:
            raise fitted.fail(f"its grid has {dict(point)} twice; leave one out")


def is_made_for_each_point(fitted: Fitted) -> None:
    """The factory takes ``seed``, ``jobs`` and each point of the grid."""
    for point in fitted.spec.grid:
        if fitted.make(**point) is fitted.make(**point):
            raise fitted.fail("the factory gives the same classifier twice; make a new one")


def gives_probabilities(fitted: Fitted) -> None:
    """``fit`` gives the classifier, ``predict_proba`` probabilities (N, C)."""
    if not hasattr(fitted.classifier, "predict_proba"):
        raise fitted.fail(
            f"fit gives {type(fitted.classifier).__name__}, which has no predict_proba; return self"
        )
    found, wanted = fitted.probabilities, (len(fitted.scored), CLASSES)
    if found.shape != wanted:
        raise fitted.fail(
            f"predict_proba gives {found.shape} of {wanted[0]} embeddings and {CLASSES} classes; "
            f"give {wanted}"
        )
    sound = np.isfinite(found).all() and found.min() >= 0 and np.allclose(found.sum(1), 1)
    if not sound:
        raise fitted.fail("predict_proba gives no probabilities; let each row sum to one")


def orders_classes(fitted: Fitted) -> None:
    """Columns of ``predict_proba`` are the labels 0, 1, 2 ... in order."""
    labels = fitted.labels[-len(fitted.scored) :]
    predicted = fitted.probabilities.argmax(axis=1)
    hits = {
        order: float((np.array(order)[predicted] == labels).mean())
        for order in permutations(range(CLASSES))
    }
    in_order = tuple(range(CLASSES))
    best = max(hits, key=lambda order: hits[order])
    if hits[best] > _CLEAR > hits[in_order]:
        raise fitted.fail(
            f"columns of predict_proba are the labels {best}; order them {in_order}, as "
            "scikit-learn's classes_"
        )


def repeats_itself(fitted: Fitted) -> None:
    """The same seed gives the same probabilities, and nothing is changed that is not its own."""
    again = fitted.fit(**fitted.spec.grid[0]).predict_proba(fitted.scored)
    if not np.array_equal(again, fitted.probabilities):
        raise fitted.fail(
            "two fits with the same seed differ; pass seed on, as random_state or the like"
        )
    (embeddings, labels), scored = fitted.train, fitted.scored
    fitted.make(**fitted.spec.grid[0]).fit(embeddings, labels).predict_proba(scored)
    given = np.concatenate([embeddings, scored])
    if not (np.array_equal(given, fitted.embeddings) and np.array_equal(labels, fitted.train[1])):
        raise fitted.fail("fit or predict_proba changes the arrays it is given; work on a copy")


def fits_quietly(fitted: Fitted) -> None:
    """No fit warns of what will no longer work."""
    told: list[warnings.WarningMessage]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fitted.fit(**fitted.spec.grid[0]).predict_proba(fitted.scored)
    for one in told:
        if issubclass(one.category, FutureWarning | DeprecationWarning):
            message = str(one.message).strip().partition("\n")[0]
            raise fitted.fail(
                f"each run would warn: {one.category.__name__}: {message}; do what it says"
            )


HEAD_CHECKS: tuple[Callable[[Fitted], None], ...] = (
    is_described,
    is_made_for_each_point,
    gives_probabilities,
    orders_classes,
    repeats_itself,
    fits_quietly,
    describes,
    can_be_swept,
    grows,
    contributes,
    can_be_kept,
)
