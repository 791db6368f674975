"""Turns what a head may have besides its factory into nothing if it holds, else what to change."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from registry.checks.fitted import FEATURES, Fitted
from registry.protocols import SIZE

_GROWN = 5


def describes(fitted: Fitted) -> None:
    """``describe`` gives finite numbers by name."""
    if fitted.spec.describe is None:
        return
    with fitted.advising("describe fails on a fitted classifier; give numbers by name"):
        told = fitted.spec.describe(fitted.classifier)
        sound = all(isinstance(name, str) and np.isfinite(one) for name, one in told.items())
    if not sound:
        raise fitted.fail(f"describe gives {told!r}; give finite numbers by name")


def can_be_swept(fitted: Fitted) -> None:
    """Each point of the grid, with the defaults, lies in the search space."""
    space = fitted.spec.search_space
    if space is None:
        return
    from optuna.trial import FixedTrial

    for point in fitted.spec.grid:
        whole = {**space.defaults, **point}
        with (
            warnings.catch_warnings(action="error", category=UserWarning),
            fitted.advising(
                f"its search_space does not hold {point}; what a point of the grid leaves open "
                "stands in defaults, and its values within the space"
            ),
        ):
            suggested = space.suggest(FixedTrial(whole))
        if suggested != whole:
            raise fitted.fail(
                f"its search_space makes {suggested} of {whole}; let suggest return what the trial "
                "suggests, and defaults name nothing else"
            )
        fitted.make(**suggested)


def grows(fitted: Fitted) -> None:
    """Growth gives, at each size, what a fit of that size gives."""
    if fitted.spec.growth is None:
        return
    params = {**fitted.spec.grid[0], SIZE: _GROWN}
    with fitted.advising("its growth fails; see registry.Growth"):
        growth = fitted.spec.growth(fitted.make(**params), *fitted.train, fitted.scored)
        grown = [one.copy() for one in growth.grow(_GROWN)]
    if len(grown) != _GROWN or growth.size != _GROWN:
        raise fitted.fail(f"growth.grow({_GROWN}) yields {len(grown)} times; yield at each size")
    for size in (1, _GROWN):
        alone = fitted.fit(**{**params, SIZE: size}).predict_proba(fitted.scored)
        if not np.allclose(grown[size - 1], alone, atol=1e-6):
            raise fitted.fail(
                f"its growth at size {size} is not what a fit with {SIZE}={size} gives; grow the "
                "same trees, from the same seed"
            )


def contributes(fitted: Fitted) -> None:
    """Contributions are a number for each feature of each embedding."""
    contributions = fitted.spec.contributions
    if contributions is None:
        return
    embeddings = fitted.scored
    classes = fitted.probabilities.argmax(axis=1)
    with fitted.advising("contributions fail; see registry.Contributions"):
        try:
            found = contributions(fitted.classifier, embeddings, classes)
        except NotImplementedError:  # there are none for these parameters
            return
    if np.shape(found) != (len(embeddings), FEATURES) or not np.isfinite(found).all():
        raise fitted.fail(
            f"contributions have the shape {np.shape(found)}; give finite numbers, a row an "
            "embedding and a column a feature"
        )


def can_be_kept(fitted: Fitted) -> None:
    """A fitted classifier is read back from a file as it was."""
    with tempfile.TemporaryDirectory() as folder:
        again = _read_back(fitted, Path(folder))
    with fitted.advising("read back from a file, predict_proba fails"):
        same = np.array_equal(again.predict_proba(fitted.scored), fitted.probabilities)
    if not same:
        raise fitted.fail("read back from a file, it says something else; keep all in attributes")


def _read_back(fitted: Fitted, folder: Path) -> Any:
    classifier = fitted.classifier
    if hasattr(classifier, "save_model"):
        again = fitted.make(**fitted.spec.grid[0])
        with fitted.advising("save_model and load_model fail; they take a path of a file"):
            classifier.save_model(folder / "head.ubj")
            again.load_model(folder / "head.ubj")
        return again
    from skops.io import dumps, get_untrusted_types, loads

    with fitted.advising("skops cannot write it; give it save_model(path) and load_model(path)"):
        content = dumps(classifier)
    types = get_untrusted_types(data=content)
    if missing := {*types} - {*fitted.spec.trusted_types}:
        raise fitted.fail(
            f"its file holds {', '.join(sorted(missing))}, which is not read without being named; "
            f"if you trust it, write trusted_types={tuple(types)!r}"
        )
    with fitted.advising("skops cannot read it back; give it save_model(path) and load_model"):
        return loads(content, trusted=types)
