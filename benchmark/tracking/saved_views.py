"""Turns the study's columns and charts into saved views of MLflow's interface."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.study.plan import PRETRAINING
from benchmark.study.suite import GROUPS

SCORED = f"metrics.test_accuracy >= 0 and tags.group != '{PRETRAINING}'"
"""MLflow's words for the runs that belong into tables: no trials of sweeps among them."""

_TAG = "mlflow.sharedViewState."
_COLUMNS: Mapping[str, int] = {
    "tags.`rank`": 60,
    "tags.`group`": 110,
    "tags.`system`": 250,
    "params.`seed`": 60,
    "metrics.`test_accuracy`": 110,
    "metrics.`test_accuracy_low`": 110,
    "metrics.`test_accuracy_high`": 110,
    "tags.`study_accuracy`": 130,
    "metrics.`best_val_accuracy`": 130,
    "tags.`weights`": 85,
    "metrics.`params_total`": 100,
    "params.`head.n_estimators`": 120,
    "params.`head.max_depth`": 110,
    "metrics.`fit_seconds`": 95,
    "tags.`data`": 110,
}
"""Columns of the runs table and their widths in pixels."""
_CURVES = {
    "Loss": ("train_loss", "val_loss"),
    "Accuracy by epoch": ("train_accuracy", "val_accuracy"),
}
_BARS = {
    "Accuracy": ("test_accuracy", "best_val_accuracy", "test_macro_f1"),
    "Cost": ("fit_seconds", "inference_ms", "params_total"),
}
_DIFFERENCES = {"Metrics": ["Model metrics"], "Parameters and tags": ["Parameters", "Tags"]}
_OTHERS = "Model metrics"
"""Where MLflow puts the charts of all other metrics by itself."""


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """A saved view: filter, order, columns and charts of MLflow's runs page.

    Attributes:
        id: How links name it.
        name: How MLflow's menu of views names it.
        state: What MLflow's own "Save view" writes.
    """

    id: str
    name: str
    state: Mapping[str, Any]

    def tag(self) -> tuple[str, str]:
        """Name and value of the experiment's tag that MLflow keeps the view in."""
        packed = base64.b64encode(zlib.compress(json.dumps(self.state).encode())).decode()
        envelope = {"name": self.name, "createdAt": 0, "state": f"deflate;{packed}"}
        return _TAG + self.id, json.dumps(envelope)


def study_views(query: str = SCORED) -> list[SavedView]:
    """Runs in the order of the leaderboard, in one list and by the parts of the study.

    Args:
        query: Which runs, in MLflow's language.
    """
    state = _state(query)
    grouped = {
        "groupBy": {
            "aggregateFunction": "max",
            "groupByKeys": [{"mode": "tag", "groupByData": "group"}],
        },
        "groupsExpanded": {f"tag.group.{group}": True for group in GROUPS},
    }
    return [
        SavedView(id="study", name="Study", state=state),
        SavedView(id="groups", name="Study by experiment", state=state | grouped),
    ]


def comparison_view(run_ids: Sequence[str], images: Sequence[str]) -> SavedView:
    """Some runs side by side: what differs between them, pictures and charts.

    Args:
        run_ids: The runs.
        images: Keys of logged images, to be shown in a grid of images by runs.
    """
    listed = ", ".join(f"'{run_id}'" for run_id in run_ids)
    state = _state(f"attributes.run_id IN ({listed})")
    sections = [_section("What differs", columns=1)]
    charts = [
        _chart("DIFFERENCE", "What differs", title)
        | {
            "chartName": title,
            "compareGroups": groups,
            "showChangeFromBaseline": False,
            "showDifferencesOnly": True,
        }
        for title, groups in _DIFFERENCES.items()
    ]
    folded = []
    if images:
        sections.append(_section("Images", columns=1, height=900))
        grid = {"imageKeys": images, "step": 0, "showRunParams": False}
        charts.append(_chart("IMAGE", "Images", "Images") | grid)
        # MLflow adds a chart for each image by itself.
        own = {image.rpartition("/")[0] or _OTHERS for image in images} - {_OTHERS}
        folded = [_section(name, display=False) for name in sorted(own)]
    state["compareRunSections"] = [*sections, *state["compareRunSections"], *folded]
    state["compareRunCharts"] = [*charts, *state["compareRunCharts"]]
    return SavedView(id="best", name="Best of each experiment", state=state)


def sweep_view(study: str, run_id: str, params: Sequence[str]) -> SavedView:
    """The trials of a sweep with their parameters, the best validation accuracy first.

    Args:
        study: Its name.
        run_id: Of its parent run.
        params: Names of the trials' params.
    """
    columns = {
        "metrics.`best_val_accuracy`": 140,
        **{f"params.`{name}`": 150 for name in params},
        "tags.`trial_state`": 100,
        "metrics.`trial_seconds`": 110,
    }
    chart = _chart("PARALLEL", "Parameters", "Parameters") | {
        "selectedParams": list(params),
        "selectedMetrics": ["best_val_accuracy"],
    }
    state = _state(f"tags.`mlflow.parentRunId` = '{run_id}' and tags.kind = 'trial'") | {
        "orderByKey": "metrics.`best_val_accuracy`",
        "orderByAsc": False,
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": columns,
        "compareRunSections": [_section("Parameters", columns=1, height=500)],
        "compareRunCharts": [chart],
    }
    return SavedView(id=f"sweep-{run_id[:8]}", name=f"Sweep {study}", state=state)


def _state(query: str) -> dict[str, Any]:
    sections = [*map(_section, ("Accuracy", "Training", "Cost")), _section(_OTHERS, display=False)]
    curves = [
        _chart("LINE", "Training", title)
        | {"metricKey": metrics[0], "selectedMetricKeys": metrics, "xAxisKey": "step"}
        for title, metrics in _CURVES.items()
    ]
    bars = [
        _chart("BAR", section, metric) | {"metricKey": metric}
        for section, metrics in _BARS.items()
        for metric in metrics
    ]
    return {
        "searchFilter": query,
        "orderByKey": "tags.`rank`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(_COLUMNS),
        "columnOrder": list(_COLUMNS),
        "columnWidths": _COLUMNS,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunSections": sections,
        "compareRunCharts": [*curves, *bars],
        "isAccordionReordered": True,
        "viewMaximized": False,
        "runListHidden": False,
        "hideEmptyCharts": True,
        "useGroupedValuesInCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }


def _section(
    name: str, *, columns: int = 3, height: int = 360, display: bool = True
) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": name,
        "display": display,
        "columns": columns,
        "cardHeight": height,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _chart(kind: str, section: str, title: str) -> dict[str, Any]:
    return {
        "uuid": f"{section}/{title}",
        "type": kind,
        "metricSectionId": section,
        "displayName": title,
        "runsCountToCompare": 20,
        "deleted": False,
        "isGenerated": False,
        # Of line charts; other kinds ignore them.
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
