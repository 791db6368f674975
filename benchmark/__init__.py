"""Runs image-classification studies and tracks them in MLflow.

``import benchmark as bench``: `plan` and `run` a study, read its `leaderboard` and `predictions`,
`load` what it trained. What goes wrong and can be mended is a `registry.UserError`; nothing is
printed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

from benchmark.execution.listener import Listener

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchmark.classifier.tracked import TrackedClassifier
    from benchmark.execution.launch import LaunchOptions
    from benchmark.execution.planning import Study
    from benchmark.runs.options import Outcome

__all__ = ["Listener", "leaderboard", "load", "plan", "predictions", "run"]
logger = logging.getLogger(__name__)
_running = threading.Lock()
"""Of two studies at once, each would end the other's runs as left over, and take its randomness."""


def plan(
    data: str | Path | None = None,
    systems: str | Sequence[str] | None = None,
    *,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Decode the images and plan the runs.

    Args:
        data: Folder or zip with a folder for each class, or ``kaggle:OWNER/NAME``; None for
            generated demo images.
        systems: Names or globs of what to run, as for ``bench run``, or one alone; None
            for all.
        preset: ``study``, ``quick`` or ``tuned``; None for ``quick`` without data, else ``study``.
        settings: By key, such as ``{"train.epochs": 5, "weights": "demo", "seed": 1}``.
        seeds: How often to run each system, or with which seeds; none for the seed of the
            settings.
        progress: Called with (images done, images in all) while they are read.

    Raises:
        UserError: Something does not exist or does not fit; says what would.
    """
    _prepare()
    from benchmark.data.home import home
    from benchmark.study import presets, suite
    from registry.errors import UserError

    named = [systems] if isinstance(systems, str) else systems
    chosen = suite.systems() if named is None else suite.find_systems(named)
    if not chosen:
        raise UserError("systems names none; name one at least, or leave it out for all")
    given = dict(settings or {}) | ({} if data is None else {"data.source": data})
    config = presets.configure(preset, [f"{key}={value}" for key, value in given.items()])

    from benchmark.execution.planning import plan_study
    from benchmark.study.seeds import read_seeds

    repeats = read_seeds(seeds) if seeds != () else ()
    return plan_study(config, chosen, home(), progress, repeats)


def run(
    study: Study,
    *,
    force: bool = False,
    listener: Listener | None = None,
    **options: Unpack[LaunchOptions],
) -> list[Outcome]:
    """Run what is planned and not complete yet, and track it in MLflow.

    Args:
        study: From `plan`.
        force: Whether to repeat runs that are complete.
        listener: Is told of starts, epochs and ends.
        options: ``device``, ``save_weights`` (``all``, ``best``, ``needed`` or ``none``),
            ``explain``, ``jobs``, ``executor`` (``local`` or ``ray``), ``address``, ``gpu_share``,
            ``timeout`` and ``checkpoint`` (both in seconds), as for ``bench run``. More jobs than
            one are processes that import the calling script: it needs its
            ``if __name__ == "__main__":``.

    Returns:
        How each run ended; one that failed has its reason, and its traceback in MLflow.

    Raises:
        UserError: An option is not valid, the device or the store is not there, or this process
            runs another study, from another thread.
    """
    _prepare()
    from benchmark.data.home import home
    from benchmark.execution.launch import Launch
    from registry.errors import UserError

    launch = Launch(study=study, home=home(), force=force, **options)
    if not _running.acquire(blocking=False):
        raise UserError("this process runs a study already; wait for it, or start another process")
    try:
        return list(launch.execute(listener or Listener()))
    finally:
        _running.release()


def leaderboard(
    view: Literal["summary", "trees", "all"] = "summary", context: str | None = None
) -> pd.DataFrame:
    """Rank the completed runs: what ``bench leaderboard --format csv`` prints.

    Args:
        view: The study's summary, its tree heads in both experiments, or every run.
        context: How the id of a set of runs begins, or ``all``; None for that of the newest run.

    Raises:
        UserError: No run is completed, or there is no such context.
    """
    _prepare()
    from benchmark.ranking.tables import make_tables, together
    from benchmark.tracking.store import Store

    return together(make_tables(Store(), view, context)[0])


def predictions(
    name: str = "best", *, seed: int | None = None, context: str | None = None
) -> pd.DataFrame:
    """Read what a completed run said of the test images.

    Args:
        name: As for `load`.
        seed: Which of its runs; None for that with the best validation accuracy.
        context: How the id of its set of runs begins; None for the newest.

    Returns:
        A row an image: ``image``, ``true``, ``predicted``, and a column with the probability of
        each class.

    Raises:
        UserError: There is no such run.
    """
    _prepare()
    from benchmark.classifier.completed import read_predictions
    from benchmark.tracking.store import Store

    return read_predictions(Store(), name, seed=seed, context=context).all_probabilities()


def load(
    name: str = "best", *, seed: int | None = None, context: str | None = None
) -> TrackedClassifier:
    """Load a trained classifier, whose ``predict`` takes files, PIL images and arrays.

    Args:
        name: A completed run's, or its id (``run_id``); a row of the leaderboard, as its system is
            called there; a registered model, such as ``models:/NAME@champion``; or ``best``, the
            row with the best validation accuracy of the newest set of runs.
        seed: Which of its runs; None for that with the best validation accuracy.
        context: How the id of its set of runs begins; None for the newest.

    Raises:
        UserError: There is no such run, or it kept no weights.
    """
    _prepare()
    from benchmark.classifier.loading import find_classifier
    from benchmark.tracking.store import Store

    return find_classifier(Store(), name, seed=seed, context=context)


def _prepare() -> None:
    """Set MLflow's variables, before MLflow is imported, unless the command line has done so."""
    from benchmark.tracking.store import DEFAULTS, ENV_FILE, MAY_SET, load_environment

    if not DEFAULTS.keys() <= os.environ.keys() and (ignored := load_environment()):
        names = ", ".join(ignored)
        logger.warning("%s %s, not %s", ENV_FILE, MAY_SET, names)
