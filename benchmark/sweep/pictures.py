"""Turns a study into pictures: its history, its parameters' importance, its plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from optuna.distributions import CategoricalDistribution
from optuna.importance import get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from benchmark.sweep.trials import best_trial
from registry.protocols import SIZE

DEPTH = "max_depth"
_ENOUGH_FOR_IMPORTANCE = 8


def draw_sweep(study: Study, points: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Draw what a study's trials allow.

    Args:
        study: With at least one complete trial.
        points: The grid that the study began from; marked.

    Returns:
        Figures by name: ``history``, ``importance``, ``plane`` (of trees and depth), ``slices``.
    """
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.intermediate_values or trial.state == TrialState.COMPLETE
    ]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    figures = {"history": _draw_history(trials, complete, study.study_name)}
    names = {name for trial in complete for name in trial.params}
    varied = {name for name in names if len({t.params.get(name) for t in complete}) > 1}
    if len(complete) >= _ENOUGH_FOR_IMPORTANCE and len({t.value for t in complete}) > 1 and varied:
        figures["importance"] = _draw_importance(study)
    if any(SIZE in trial.params and DEPTH in trial.params for trial in complete):
        figures["plane"] = _draw_plane(complete, points, study.study_name)
    if varied:
        figures["slices"] = _draw_slices(complete, sorted(varied), points, study.study_name)
    return figures


def _draw_history(
    trials: Sequence[FrozenTrial], complete: Sequence[FrozenTrial], title: str
) -> Figure:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    repeats = [t for t in complete if "answered_by" in t.user_attrs.get("notes", {})]
    fitted = [trial for trial in complete if trial not in repeats]
    for group, marker, colour, label in (
        (fitted, "o", "tab:blue", "fitted"),
        (repeats, "o", "tab:cyan", "answered from what is known"),
        (pruned, "x", "tab:grey", "pruned"),
    ):
        if group:
            numbers = [trial.number for trial in group]
            axes.plot(numbers, [*map(_accuracy, group)], marker, color=colour, ms=5, label=label)
    best = np.maximum.accumulate([*map(_accuracy, complete)])
    axes.step([t.number for t in complete], best, where="post", color="tab:red", label="best")
    axes.set(title=f"{title}\noptimisation history", xlabel="trial", ylabel="val accuracy")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def _accuracy(trial: FrozenTrial) -> float:
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return trial.value
    return trial.intermediate_values[max(trial.intermediate_values)]


def _draw_importance(study: Study) -> Figure:
    importances = get_param_importances(study)
    names = list(reversed(importances))
    figure = Figure(figsize=(7, 1.2 + 0.4 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, [importances[name] for name in names], color="tab:blue")
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(title=f"{study.study_name}\nparameter importance", xlim=(0, 1.1))
    return figure


def _draw_slices(
    complete: Sequence[FrozenTrial],
    names: Sequence[str],
    points: Sequence[Mapping[str, Any]],
    title: str,
) -> Figure:
    """Draw accuracy by each parameter, in the order of the trials: the later, the darker."""
    figure = Figure(figsize=(3.2 * len(names), 3.4), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True
    ):
        placed = [trial for trial in complete if name in trial.params]
        values = [trial.params[name] for trial in placed]
        marked = [point[name] for point in points if name in point]
        distribution = placed[0].distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            ticks = [choice for choice in distribution.choices if choice in {*values, *marked}]
            axes.set_xticks(range(len(ticks)), [str(tick).lower() for tick in ticks], rotation=45)
            values = [ticks.index(value) for value in values]
            marked = [ticks.index(value) for value in marked if value in ticks]
        elif getattr(distribution, "log", False):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(LogFormatter())  # figures have no formulas
            axes.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
        numbers = [trial.number for trial in placed]
        axes.scatter(
            values,
            [_accuracy(trial) for trial in placed],
            c=numbers,
            cmap="Blues",
            s=24,
            vmin=-0.5 * max(numbers),
            edgecolors="tab:blue",
            linewidths=0.5,
        )
        for value in marked:
            axes.axvline(value, color="tab:red", linewidth=1, linestyle=":")
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("val accuracy")
    figure.suptitle(f"{title}: accuracy by parameter (dotted: where it began)", fontsize="medium")
    return figure


def _draw_plane(
    complete: Sequence[FrozenTrial],
    points: Sequence[Mapping[str, Any]],
    title: str,
) -> Figure:
    """Draw accuracy by size and depth; each depth has a row, since none stands for no limit."""
    placed = [trial for trial in complete if SIZE in trial.params and DEPTH in trial.params]
    depths = sorted({t.params[DEPTH] for t in placed}, key=lambda d: (d is None, d or 0))
    sizes = sorted({trial.params[SIZE] for trial in placed})
    is_whole = len(depths) * len(sizes) == len(placed)
    rows = {depth: depth for depth in depths}
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    if is_whole or None in depths:
        rows = {depth: row for row, depth in enumerate(depths)}
        axes.set_yticks(range(len(depths)), ["none" if d is None else str(d) for d in depths])
    cells: Any
    shown: Any
    if is_whole and min(len(depths), len(sizes)) > 1:
        values = {(trial.params[DEPTH], trial.params[SIZE]): trial.value for trial in placed}
        cells = [[values[depth, size] for size in sizes] for depth in depths]
        shown = axes.pcolormesh(sizes, [*rows.values()], cells, shading="nearest")
    else:
        shown = axes.scatter(
            [trial.params[SIZE] for trial in placed],
            [rows[trial.params[DEPTH]] for trial in placed],
            c=[_accuracy(trial) for trial in placed],
            s=60,
        )
        axes.grid(alpha=0.3)
    figure.colorbar(shown, ax=axes, label="val accuracy")
    _mark(axes, placed, points, rows)
    axes.set(title=f"{title}\naccuracy by trees and depth", xlabel=SIZE, ylabel=DEPTH)
    return figure


def _mark(
    axes: Axes,
    placed: Sequence[FrozenTrial],
    points: Sequence[Mapping[str, Any]],
    rows: Mapping[Any, int],
) -> None:
    """Mark the study's points, and the best trial: of equals that which the study's table names."""
    marked = [point for point in points if point.get(DEPTH) in rows and SIZE in point]
    sizes, depths = [point[SIZE] for point in marked], [rows[point[DEPTH]] for point in marked]
    (squares,) = axes.plot(sizes, depths, "rs", ms=13, mew=2, label="the study's grid")
    squares.set_markerfacecolor("none")
    best = best_trial(placed)
    assert best is not None
    axes.scatter(
        [best.params[SIZE]],
        [rows[best.params[DEPTH]]],
        marker="*",
        s=220,
        color="white",
        edgecolors="black",
        label=f"best: {best.value:.2%}",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)
