"""Turns what a report shows into one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.remarks import chance
from benchmark.ranking.runs import state
from benchmark.ranking.tables import trees
from benchmark.report import charts, curves, facts, pictures, reliability
from benchmark.report.artifacts import Artifacts
from benchmark.report.classes import class_scores
from benchmark.report.collect import Material, RankedSystem, collect
from benchmark.report.page import environment, source, write_page
from benchmark.study.suite import GROUPS, STUDY_TEST_IMAGES
from benchmark.terminal.numbers import count, duration, percent
from benchmark.tracking.store import Store
from registry.printable import printable

WIDE, NARROW = (1080, 400), (340, 330)
CLASS_SYSTEMS = 12
"""Columns of the table of classes."""
HEAT_STEPS = 5
_REPEATED = "Of a system's seeds, its best by validation is shown."
COSTS: tuple[tuple[charts.Axis, Callable[[RankedSystem], float | None]], ...] = (
    (charts.Axis(title="Parameters", write=count), lambda one: one.row["params_total"]),
    (charts.Axis(title="FLOPs an image", write=count), lambda one: one.row["flops"]),
    (
        charts.Axis(title="Fit time", write=duration, ticks=charts.TIMES),
        lambda one: one.row["fit_seconds"],
    ),
)


def write_report(store: Store, out: Path, context_id: str | None, title: str | None) -> Material:
    """Write the report of one context.

    Args:
        store: What it is made from, alone.
        out: The file.
        context_id: The beginning of the context's id; None for that of the newest run.
        title: Its heading; None to name the data.

    Returns:
        What it shows.

    Raises:
        UserError: There is nothing to show, or the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(store, Path(folder))
        material = collect(store, context_id, artifacts)
        page = render(material, artifacts, title)
    write_page(page, out)
    return material


def render(material: Material, artifacts: Artifacts, title: str | None) -> str:
    """Fill the page."""
    template = environment().get_template("report.html.j2")
    return template.render(
        title=printable(title or f"Image classifiers on {material.settings['data.name']}"),
        material=material,
        systems=material.systems,
        chance=chance(material.ranking),
        study_images=STUDY_TEST_IMAGES,
        group_style={group: f"g{i}" for i, group in enumerate(GROUPS, start=1)},
        symbol=charts.symbol,
        accuracy_bar=charts.accuracy_bar,
        rank_line=charts.rank_line,
        recommendation=recommendation(material.ranking),
        remarks=material.remarks,
        state=state,
        repeated=_REPEATED if any(len(one.row["seeds"]) > 1 for one in material.systems) else "",
        **_inline(),
        **_facts(material),
        **_tables(material),
        **_charts(material),
        **_pictures(material, artifacts),
    )


def _inline() -> dict[str, Any]:
    """Style and script, and the script's hash: the page lets no other run."""
    script = source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": source("report.css"), "script": script, "script_hash": digest}


def _facts(material: Material) -> dict[str, Any]:
    return {
        **(_departures(material) if material.studied else {"departures": [], "not_run": []}),
        "commands": facts.commands(material.tracked, material.not_completed),
        "parts": facts.parts(material.tracked),
        "weights": sorted(set(material.runs["weights"]) - {"none"}),
        "presets": sorted(set(material.runs["preset"])),
        "seeds": sorted({seed for seeds in material.ranking.table["seeds"] for seed in seeds}),
        "hardware": sorted(set(material.runs["hardware"])),
        "commits": sorted(set(material.runs["git_commit"])),
    }


def _departures(material: Material) -> dict[str, list[str]]:
    return {
        "departures": facts.departures(material.made, set(material.runs["weights"])),
        "not_run": facts.not_run([*material.tracked, *material.not_completed]),
    }


def _tables(material: Material) -> dict[str, Any]:
    shown = [one for one in material.systems if one.predictions is not None][:CLASS_SYSTEMS]
    predictions = {one.name: one.predictions for one in shown if one.predictions is not None}
    return {
        "trees": trees(material.runs).to_dict("records"),
        "networks": {
            group: [
                one for one in material.systems if one.row["group"] == group and not one.is_head
            ]
            for group in GROUPS
        },
        "class_systems": shown,
        "calibrated": [
            (one, reliability.diagram(one.predictions), reliability.verdict(one.predictions))
            for one in shown
            if one.predictions is not None and len(one.predictions)
        ],
        "class_scores": class_scores(predictions).to_dict("index") if predictions else {},
        "heat": lambda right, images: round(HEAT_STEPS * right / images),
    }


def _charts(material: Material) -> dict[str, Any]:
    classes = int(material.settings["data.num_classes"])
    trained = [system for system in material.systems if system.curves]
    panels = curves.panels(trained, classes)
    return {
        "costs": [chart for cost in COSTS if (chart := _cost(material.systems, *cost))],
        "trained": [(one, [curves.chart(panel, one) for panel in panels]) for one in trained],
        "losses_cut": panels[1].cut,
        "loss_top": panels[1].top,
        "backgrounds": [curves.background(panel, trained) for panel in panels],
        "distribution": _distribution(material),
    }


def _cost(
    systems: Sequence[RankedSystem], axis: charts.Axis, cost: Callable[[RankedSystem], float | None]
) -> Mapping[str, Any] | None:
    known = [(one, value) for one in systems if (value := cost(one)) and not pd.isna(value)]
    if not known:
        return None

    def draw(size: tuple[int, int], *, numbered: bool) -> Markup:
        marks = [
            charts.Mark(
                x=value,
                y=one.row["test_accuracy"],
                interval=one.interval,
                label=str(one.rank) if numbered else one.name,
                title=f"{one.rank}. {one.name}: "
                f"{percent(one.row['test_accuracy'])}, {axis.write(value)}",
                group=f"g{GROUPS.index(one.row['group']) + 1}",
                hollow=one.is_head,
                system=one.rank,
            )
            for one, value in known
        ]
        return charts.scatter(marks, size, axis)

    return {
        "heading": axis.title,
        "wide": draw(WIDE, numbered=False),
        "narrow": draw(NARROW, numbered=True),
    }


def _distribution(material: Material) -> Markup | None:
    if material.exploration is None:
        return None
    table = material.exploration.classes.sort_values("images", ascending=False, kind="stable")
    largest, smallest = table["images"].max(), table["images"].min()
    words = f"Images of each of {len(table)} classes: {smallest:,} to {largest:,}"
    return charts.distribution(table[["train", "val", "test"]].to_numpy().tolist(), words)


def _pictures(material: Material, artifacts: Artifacts) -> dict[str, Any]:
    pairs = pictures.confused(material.systems)
    mistaken, mistakes = pictures.mistakes(material.systems, artifacts)
    return {
        "gallery": pictures.gallery(material.systems, artifacts),
        "map_worth": pictures.map_worth,
        "mistaken": mistaken,
        "mistakes": mistakes,
        "confused": pairs,
        "class_uris": pictures.class_uris(pairs, material.exploration),
    }
