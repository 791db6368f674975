"""Turns what the user named into heads on backbones, with embeddings, studies and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from benchmark.config import Config
from benchmark.data.prepared import PreparedData
from benchmark.executors import Listener
from benchmark.executors.local import LocalExecutor
from benchmark.launch import Launch
from benchmark.options import Outcome, RunOptions
from benchmark.plan import Plan, RunSpec, content_hash
from benchmark.planning import Study, plan_study
from benchmark.runner import find_run, open_tracker, run_one
from benchmark.suite import EMBEDDING_MODEL, System
from benchmark.sweep.growth import SIZE, Embedded
from benchmark.sweep.space import Grid, HeadSpace, Space
from benchmark.sweep.study import params_of
from benchmark.training.inference import EMBEDDINGS_FILE, load_embeddings
from registry import heads
from registry.core import match_names

SWEEP_VERSION = 1
"""Raise it when a trial's parameters would give another accuracy: no earlier study is resumed."""
TREES = "trees"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A head on a backbone's embeddings.

    Attributes:
        backbone: The run that makes the embeddings.
        head: Name of the head.
    """

    backbone: RunSpec
    head: str

    @property
    def name(self) -> str:
        """Such as ``resnet18-frozen/extra_trees``."""
        return f"{self.backbone.name}/{self.head}"

    def study_name(self, space: Space) -> str:
        """Name of the study: the same for the same embeddings, space and seed, and no others."""
        kind = "grid" if isinstance(space, Grid) else "sweep"
        content = (SWEEP_VERSION, self.backbone.id, self.head, space.settings)
        return f"{self.name}-{kind}-{content_hash(*content)[:8]}"

    def spec(self, params: Mapping[str, Any]) -> RunSpec:
        """The head's run with these parameters; what a parameter is by default is not named."""
        space = heads[self.head].search_space
        defaults = {} if space is None else space.defaults
        told = {k: v for k, v in params.items() if k not in defaults or defaults[k] != v}
        first = (SIZE, "max_depth")
        ordered = sorted(told.items(), key=lambda item: (item[0] not in first, item[0] != SIZE))
        system = System(
            model=self.backbone.system.model,
            schedule=self.backbone.system.schedule,
            head=self.head,
            params=tuple(ordered),
        )
        return replace(self.backbone, system=system, needs=(self.backbone.id,))


def make_space(head: str, grid: Grid | None, only: Sequence[str]) -> Space:
    """The grid, or the head's search space, or some settings of it."""
    return HeadSpace(head=head, only=tuple(only)) if grid is None else grid


def find_targets(
    config: Config,
    names: Sequence[str],
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Study, list[Target]]:
    """Plan the backbones that the named heads need.

    Args:
        config: The configuration.
        names: ``trees``, heads, or heads on a backbone such as ``resnet18-frozen/extra_trees``.
        home: Folder of the image stores.
        progress: Called while images are decoded.

    Raises:
        ValueError: A name matches no head.
    """
    plan = plan_study(config, _patterns(names), home, progress)
    specs = {spec.id: spec for spec in plan.plan}
    targets = {
        (spec.needs[0], spec.system.head): Target(
            backbone=specs[spec.needs[0]], head=spec.system.head
        )
        for spec in plan.plan
        if spec.system.head is not None
    }
    networks = Plan(spec for spec in plan.plan if spec.system.head is None)
    return replace(plan, plan=networks), list(targets.values())


def _patterns(names: Sequence[str]) -> list[str]:
    known = [head.name for head in heads if head.search_space is not None]
    named = [name for name in names if name != TREES]
    chosen = [name for name in named if "/" in name]
    wanted = [name for name in named if "/" not in name]
    try:
        found = match_names(wanted, [head.name for head in heads], "head") if named else known
    except ValueError as error:
        raise ValueError(
            f"{error}; write bench sweep trees, or a head on a backbone: "
            f"bench sweep {EMBEDDING_MODEL}-frozen/{known[0]}"
        ) from error
    return chosen + [
        f"{EMBEDDING_MODEL}-{schedule}/{head}"
        for head in found
        for schedule in ("staged", "frozen")
    ]


def sweep_options(launch: Launch) -> RunOptions:
    """The launch's options; the embeddings of all its networks are kept."""
    networks = frozenset(spec.id for spec in launch.study.plan if not spec.pretraining)
    return replace(launch.options, save_embeddings=networks)


def missing_backbones(plan: Plan, options: RunOptions) -> list[RunSpec]:
    """The networks whose embeddings are not there."""
    return [spec for spec in plan if not spec.pretraining and not find_run(spec, options)]


def run_backbones(plan: Plan, options: RunOptions, listener: Listener) -> Iterator[Outcome]:
    """Train what is missing.

    Raises:
        ValueError: A network failed or was skipped.
    """
    for outcome in LocalExecutor().execute(plan, options, listener, force=False):
        yield outcome
        if outcome.status != "completed":
            raise ValueError(
                f"the embeddings of {outcome.spec.name} are missing: its run {outcome.status} "
                f"({outcome.reason}); mend that, then type: bench run {outcome.spec.name}"
            )


def load_embedded(target: Target, data: PreparedData, options: RunOptions) -> Embedded:
    """Read the embeddings of the train and val splits; a sweep never sees those of test."""
    tracker = open_tracker(options.store)
    run_id = tracker.find_completed({"spec_id": target.backbone.id, "embeddings": "kept"})
    assert run_id is not None, f"{target.name} is swept before its backbone"
    embeddings, _ = load_embeddings(tracker.download(run_id, EMBEDDINGS_FILE))
    train, val = data.rows("train"), data.rows("val")
    return Embedded(
        train=embeddings[train],
        train_labels=data.labels[train],
        val=embeddings[val],
        val_labels=data.labels[val],
    )


def open_study(name: str, storage: BaseStorage, about: Mapping[str, Any]) -> optuna.Study:
    """Create or resume a study, and note for others what is planned with it."""
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )
    study.set_user_attr("about", dict(about))
    return study


def score_best(
    target: Target, best: FrozenTrial, options: RunOptions, tags: Mapping[str, str]
) -> Outcome:
    """Fit a study's best by itself and score the test split: a row of the leaderboard.

    Args:
        target: The head and its backbone.
        best: The trial.
        options: Where and how.
        tags: Of the row: its sweep.

    Returns:
        The outcome; reused if this best was scored before.
    """
    spec = target.spec(params_of(best))
    tags = {
        **tags,
        "mlflow.runName": tags["sweep"],
        "tuned": "true",
        # Its own id: the same setting in the study's grid remains a row of its own.
        "spec_id": content_hash(spec.id, tags["sweep"]),
        "published_accuracy": "",
    }
    tracker = open_tracker(options.store)
    if run_id := tracker.find_completed({"spec_id": tags["spec_id"]}):
        accuracy = tracker.client.get_run(run_id).data.metrics["test_accuracy"]
        return Outcome(spec=spec, status="completed", test_accuracy=accuracy, reused=True)
    return run_one(spec, options, tags=tags)
