"""Turns the store into what a report of one context shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from mlflow.entities import Run

from benchmark.data.splits import SPLITS
from benchmark.ranking.contexts import Context, choose_one
from benchmark.ranking.remarks import Curves, network_curves, remarks
from benchmark.ranking.runs import TRIAL_GROUP, state
from benchmark.ranking.systems import Ranking, rank_systems
from benchmark.ranking.tables import summary
from benchmark.report.artifacts import Artifacts, Explanations, Exploration
from benchmark.study.plan import PRETRAINING
from benchmark.study.suite import BEYOND, GROUPS, SIGN
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store

PREDICTIONS = ("image", "true", "predicted", "probability", "correct")
"""What is shown of a run's predictions."""


@dataclass(frozen=True, kw_only=True)
class RankedSystem:
    """A row of the summary with what its run logged.

    Attributes:
        rank: Its place in the summary, from 1.
        name: Short, unlike any other's.
        run: The best of its repeats by validation, whose pictures, curves and predictions are
            shown.
        row: Its row of `Ranking.table`.
        summary: Its row of `benchmark.ranking.tables.summary`.
        interval: 95% interval of its test accuracy.
        curves: Of a network that logged them; else empty.
        unfrozen: The epoch, from 1, from which all layers trained; None where none were frozen.
        predictions: Of the test split.
        explanations: Of single test images.
    """

    rank: int
    name: str
    run: Run
    row: Mapping[str, Any]
    summary: Mapping[str, Any]
    interval: tuple[float, float]
    curves: Curves
    unfrozen: int | None
    predictions: pd.DataFrame | None
    explanations: Explanations | None

    @property
    def is_head(self) -> bool:
        """Whether it is fitted to a network's embeddings."""
        return bool(self.row["head"])


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that a report shows.

    Attributes:
        context: Whose runs.
        others: What else is in the store.
        runs: Of the context, as `benchmark.ranking.runs.fetch` gives them.
        ranking: Its systems.
        systems: The same with what their runs logged.
        remarks: What is to be said of them.
        tracked: The same runs as MLflow gives them, with those that pretrained their networks.
        not_completed: The newest of each run that was never completed.
        splits: Images in each.
        environment: Versions and hardware of the newest run.
        exploration: Of the data.
    """

    context: Context
    others: list[Context]
    runs: pd.DataFrame
    ranking: Ranking
    systems: list[RankedSystem]
    remarks: list[str]
    tracked: list[Run]
    not_completed: list[Run]
    splits: Mapping[str, int]
    environment: Mapping[str, str]
    exploration: Exploration | None

    @property
    def studied(self) -> bool:
        """Whether the study's accuracies stand beside: its images were of the same kind."""
        return bool(self.runs["study_accuracy"].notna().any())

    @property
    def made(self) -> list[Run]:
        """Its networks and heads but those of sweeps, the newest first; if it has none, those."""
        own = [run for run in self.tracked if run.data.tags["group"] != PRETRAINING]
        return [run for run in own if not run.data.tags.get("tuned")] or own

    @property
    def settings(self) -> Mapping[str, str]:
        """Parameters of the newest run; those of training, where others have another, of all."""
        all_params = [run.data.params for run in self.made]
        return {name: _of_all(name, all_params) for name in all_params[0]}


def _of_all(name: str, all_params: Sequence[Mapping[str, str]]) -> str:
    values = {params[name] for params in all_params if name in params}
    if name.startswith("train.") and len(values) > 1:
        return f"by system: {', '.join(sorted(values))}"
    return all_params[0][name]


def collect(store: Store, context_id: str | None, artifacts: Artifacts) -> Material:
    """Read everything about one context.

    Args:
        store: Where.
        context_id: The beginning of its id; None for the context of the newest run.
        artifacts: Of the same store.

    Raises:
        UserError: Nothing is completed, or the id does not choose one context.
    """
    chosen = choose_one(store, context_id)
    (context,), runs = chosen.contexts, chosen.runs
    query = f"tags.context = '{context.id}' and tags.group != '{TRIAL_GROUP}'"
    inside = list(search(store, query))
    ids = set(runs["run_id"])
    tracked = [run for run in inside if run.info.run_id in ids]
    newest = tracked[0]
    ranking = rank_systems(store, runs)
    curves = network_curves(ranking, store)
    by_id = {run.info.run_id: run for run in tracked}
    return Material(
        context=context,
        others=chosen.others,
        runs=runs,
        ranking=ranking,
        systems=_systems(ranking, curves, by_id, artifacts),
        remarks=remarks(ranking, curves, store),
        tracked=tracked + _pretraining(store, tracked),
        not_completed=not_completed(inside),
        splits={split: int(_profile(newest)[split]) for split in SPLITS},
        environment=artifacts.json(newest, "environment.json") or {},
        exploration=_exploration(store, newest, artifacts),
    )


def _profile(run: Run) -> dict[str, Any]:
    """What the run says of its data set, with the sizes of the splits."""
    inputs: Any = run.inputs
    dataset = inputs.dataset_inputs[0].dataset
    profile: dict[str, Any] = json.loads(dataset.profile)
    return {**profile, "fingerprint": dataset.digest}


def _systems(
    ranking: Ranking,
    curves: Mapping[str, Curves],
    tracked: Mapping[str, Run],
    artifacts: Artifacts,
) -> list[RankedSystem]:
    ranked = ranking.rows()
    shown: list[Any] = summary(ranking).to_dict("records")
    names = _short_names(ranked, tracked)
    systems = []
    for rank, (row, line, name) in enumerate(zip(ranked, shown, names, strict=True), start=1):
        run = tracked[row["run_id"]]
        staged = run.data.params.get("system.schedule") == "staged" and not row["head"]
        frozen = int(run.data.params["train.freeze_epochs"]) if staged else 0
        systems.append(
            RankedSystem(
                rank=rank,
                name=name,
                run=run,
                row=row,
                summary=line,
                interval=(row["test_accuracy_low"], row["test_accuracy_high"]),
                curves=curves.get(row["run_id"], {}),
                unfrozen=frozen + 1 if frozen else None,
                predictions=artifacts.table(run, "predictions/test.csv", PREDICTIONS),
                explanations=artifacts.explanations(run),
            )
        )
    return systems


def _short_names(ranked: Iterable[Mapping[str, Any]], tracked: Mapping[str, Run]) -> list[str]:
    """Name systems as ``bench run`` does, heads without parameters; sign those beyond the study."""
    names = []
    for row in ranked:
        schedule = tracked[row["run_id"]].data.params.get("system.schedule", "")
        name = f"{row['model']}-{schedule}"
        names.append(
            name + (f"/{row['head']}" if row["head"] else "") + (" tuned" if row["tuned"] else "")
        )
    twice = {name for name in names if names.count(name) > 1}
    told = [
        f"{name} ({row['weights']}, {row['image_size_px']} px)" if name in twice else name
        for name, row in zip(names, ranked, strict=True)
    ]
    return [
        f"{name} {SIGN}" if row["group"] == BEYOND else name
        for name, row in zip(told, ranked, strict=True)
    ]


def _pretraining(store: Store, tracked: Iterable[Run]) -> list[Run]:
    """Find the runs that made the networks' first weights; they are of another context."""
    needed = {need for run in tracked for need in run.data.params.get("needs", "").split(", ")}
    query = f"tags.group = '{PRETRAINING}' and tags.completed = 'true'"
    newest = {run.data.tags["spec_id"]: run for run in reversed(list(search(store, query)))}
    return [run for spec_id, run in newest.items() if spec_id in needed]


def not_completed(inside: Iterable[Run]) -> list[Run]:
    """Keep the newest of each run that was never completed."""
    newest: dict[tuple[str | None, ...], Run] = {}
    completed = set()
    for run in inside:
        tags, params = run.data.tags, run.data.params
        key = (run.info.run_name, tags.get("weights", ""), params.get("seed"))
        newest.setdefault(key, run)
        if state(run) == "completed":
            completed.add(key)
    return [
        run
        for key, run in newest.items()
        if key not in completed and run.data.tags.get("group") in GROUPS
    ]


def _exploration(store: Store, newest: Run, artifacts: Artifacts) -> Exploration | None:
    wanted = _profile(newest)
    for run in search(store, "tags.kind = 'data' and tags.completed = 'true'"):
        if _profile(run) == wanted and (found := artifacts.exploration(run)):
            return found
    return None
