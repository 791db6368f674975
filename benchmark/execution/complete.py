"""Turns a plan into which of its runs are complete, and what these were made without."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.runs.explanations import FAILED
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import kept_for_others
from benchmark.study.plan import Plan
from benchmark.tracking.reader import COMPLETED, Columns, read_runs
from registry.errors import UserError

_METRICS = ("explain_seconds",)
_TAGS = ("spec_id", "embeddings", "train_predictions", "weights_file", "no_explanations", FAILED)
_EXPLAINED = ["metrics.explain_seconds", "tags.no_explanations", f"tags.{FAILED}"]
"""Of which a run has one that was to be explained."""


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Ids of the runs of a plan that are complete.

    Attributes:
        ids: All of them.
        without_weights: Those that are to keep their weights, and did not.
        without_explanations: Those that are to be explained, and were not.
    """

    ids: frozenset[str] = frozenset()
    without_weights: frozenset[str] = frozenset()
    without_explanations: frozenset[str] = frozenset()


def find_complete(plan: Plan, options: RunOptions) -> Complete:
    """Find what `benchmark.runs.run_one.find_run` finds of each run; nothing is made or changed."""
    columns = Columns(metrics=_METRICS, tags=_TAGS)
    contexts = {spec.context for spec in plan}
    try:
        runs = read_runs(options.store, columns, {**COMPLETED, "context": contexts})
    except UserError:  # there is no experiment yet
        return Complete()
    runs["explained"] = runs[_EXPLAINED].notna().any(axis="columns")
    runs["has_weights"] = runs["tags.weights_file"] == "kept"
    found = {str(spec_id): rows for spec_id, rows in runs.groupby("tags.spec_id")}
    ids, unkept, unexplained = set[str](), set[str](), set[str]()
    for spec in plan:
        rows = found.get(spec.id, runs[:0])
        for name, value in kept_for_others(spec, options).items():
            rows = rows[rows[f"tags.{name}"] == value]
        if rows.empty:
            continue
        ids.add(spec.id)
        if spec.id in options.save_weights and not rows["has_weights"].any():
            unkept.add(spec.id)
        if options.explain and not spec.pretraining and not rows["explained"].any():
            unexplained.add(spec.id)
    return Complete(
        ids=frozenset(ids),
        without_weights=frozenset(unkept),
        without_explanations=frozenset(unexplained),
    )
