"""Turns a prepared data set's exploration into a run of its own, once."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmark.data.checks import audit
from benchmark.data.prepared import PreparedData
from benchmark.runs.record import dataset_inputs
from benchmark.study.plan import content_hash
from benchmark.tracking.claims import claim
from benchmark.tracking.items import Artifact, metrics
from benchmark.tracking.writer import Tracker

EXPLORATION_VERSION = 4
"""Raise it when more is logged: the exploration of data seen before is then logged once more."""


def log_exploration(data: PreparedData, tracker: Tracker) -> None:
    """Log tables and pictures of a data set, unless a completed run holds them already."""
    findings = [asdict(finding) for finding in audit(data)]
    spec_id = content_hash("exploration", EXPLORATION_VERSION, data.spec.content, findings)
    name = f"data {data.spec.name}"
    tags = {"spec_id": spec_id, "kind": "data", "group": "data", "data": data.spec.name}

    def find() -> str | None:
        return tracker.find_completed({"spec_id": spec_id})

    run = find() or claim(tracker, {"mlflow.runName": name, **tags}, find)
    if isinstance(run, str):
        return
    from benchmark.data.eda import summary, write_exploration  # slow to import

    with run, tempfile.TemporaryDirectory() as folder:
        run.log_inputs(dataset_inputs(data))
        run.log(*metrics(summary(data)))
        write_exploration(data, Path(folder))
        run.log(Artifact(Path(folder), "exploration"))
