"""Turns what the user named into targets to sweep, what they need, and the rows of the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from optuna.trial import FrozenTrial

from benchmark.execution.executor import Executor
from benchmark.execution.launch import Launch
from benchmark.execution.listener import Listener
from benchmark.execution.planning import Study, plan_study
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import find_run, open_tracker, run_one
from benchmark.study.config import Config
from benchmark.study.plan import Plan, RunSpec, content_hash
from benchmark.study.suite import find_systems
from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.network_target import NetworkTarget
from benchmark.sweep.objective import Target
from benchmark.sweep.space import describe
from benchmark.sweep.trials import params_of
from registry.errors import UserError


def find_targets(
    config: Config,
    names: Sequence[str],
    home: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seeds: Sequence[int] = (),
) -> tuple[Study, list[list[Target]]]:
    """Plan what heads and networks need.

    Args:
        config: The configuration.
        names: Of networks, and of heads on backbones.
        home: Folder of the image stores.
        progress: Called while images are read.
        seeds: The first is swept with, the best is scored with all; none for the configuration's.

    Returns:
        The study, whose plan holds the networks to be run first, and what is swept, with each seed.

    Raises:
        UserError: The data or the image size does not fit.
    """
    chosen = find_systems(names)
    study = plan_study(config, chosen, home, progress, seeds)
    targets: dict[tuple[str, str | None], Target] = {}
    needed: set[str] = set()
    for spec in study.plan:
        if spec.pretraining or spec.system not in chosen:
            continue
        if spec.system.head is None:
            targets[spec.id, None] = NetworkTarget(base=spec)
        else:
            base = study.plan[spec.needs[0]]
            targets[base.id, spec.system.head] = HeadTarget(base=base, head=spec.system.head)
        needed |= study.plan.needed_by(spec.id)
    first = Plan(spec for spec in study.plan if spec.id in needed)
    by_name: dict[str, list[Target]] = {}
    for target in targets.values():
        by_name.setdefault(target.name, []).append(target)
    return replace(study, plan=first), list(by_name.values())


def sweep_options(launch: Launch, bases: Iterable[RunSpec]) -> RunOptions:
    """The launch's options; more is kept: embeddings, what teachers say, heads' backbones."""
    networks = frozenset(
        spec.id for spec in launch.study.plan if not spec.pretraining and spec.system.head is None
    )
    teachers = frozenset(base.teacher_id for base in bases if base.teacher_id is not None)
    return replace(
        launch.options,
        save_embeddings=networks,
        save_weights=launch.options.save_weights | networks,
        save_train_predictions=launch.options.save_train_predictions | teachers,
    )


def missing_runs(plan: Plan, options: RunOptions) -> Plan:
    """The networks whose embeddings or weights are not there, with what they need themselves."""
    missing: dict[str, RunSpec] = {}
    for spec in reversed(list(plan)):
        users = plan.dependants(spec.id)
        needed = any(user.id in missing for user in users)
        if needed or (not users and not find_run(spec, options)):
            missing[spec.id] = spec
    return Plan(reversed(missing.values()))


def run_missing(
    missing: Plan, options: RunOptions, listener: Listener, executor: Executor
) -> Iterator[Outcome]:
    """Train what is missing.

    Raises:
        UserError: A network failed or was skipped.
    """
    for outcome in executor.execute(missing, options, listener, force=False):
        yield outcome
        if outcome.status != "completed":
            name = outcome.spec.name
            if outcome.status == "unsent":
                raise UserError(f"{name} is needed first, and {outcome.reason}")
            remedy = "" if outcome.spec.pretraining else "; mend that, then type the same again"
            raise UserError(
                f"{name} is needed first, and its run {outcome.status} ({outcome.reason}){remedy}"
            )


def score_best(
    target: Target, best: FrozenTrial, options: RunOptions, tags: Mapping[str, str]
) -> Outcome:
    """Fit a study's best by itself and score the test split: a row of the leaderboard.

    Args:
        target: The head and its backbone, or the network.
        best: The trial.
        options: Where and how.
        tags: Of the row: its sweep.

    Returns:
        The outcome; reused if this best was scored before.
    """
    params = params_of(best)
    spec = target.spec(params)
    tags = {
        **tags,
        "mlflow.runName": tags["sweep"],
        "tuned": describe(params),
        "context": target.base.context,
        # Its own id: the same setting in the study's grid remains a row of its own.
        "spec_id": content_hash(spec.id, tags["sweep"]),
        "study_accuracy": "",
    }
    if run_id := find_run(spec, options, tags["spec_id"]):
        outcome = Outcome(spec=spec, status="completed", run_id=run_id, reused=True)
    else:
        outcome = run_one(spec, options, tags=tags)
    if not outcome.reused:
        return outcome
    run = open_tracker(options.store).client.get_run(outcome.run_id)
    return replace(outcome, test_accuracy=run.data.metrics["test_accuracy"])
