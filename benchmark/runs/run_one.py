"""Turns one run's spec into a tracked outcome: the only function that a worker calls."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from benchmark.data.prepared import PreparedData
from benchmark.data.splits import SPLITS
from benchmark.runs.environment import describe_environment
from benchmark.runs.explanations import FAILED
from benchmark.runs.head import run_head
from benchmark.runs.network import NetworkRun
from benchmark.runs.options import Outcome, Report, RunOptions
from benchmark.study.plan import DataSpec, RunSpec
from benchmark.study.suite import PUBLISHED
from benchmark.tracking.claims import claim
from benchmark.tracking.items import Artifact, LogItem, Metric, Param, Tag
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Skipped, TrackedRun, Tracker
from benchmark.training.devices import find_device
from registry import models
from registry.errors import one_line
from registry.specs import InputSpec


@cache
def open_data(spec: DataSpec, input_: InputSpec, home: Path) -> PreparedData:
    """Open a prepared data set as a network is shown it, once a process."""
    return PreparedData(spec, home, input_)


@cache
def open_tracker(store: Store) -> Tracker:
    """Connect to a store, once a process."""
    return Tracker(store)


def find_run(spec: RunSpec, options: RunOptions, spec_id: str | None = None) -> str | None:
    """Find a completed run of this spec, or of this id, that kept what other runs need of it."""
    wanted = {"spec_id": spec_id or spec.id}
    if spec.id in options.save_embeddings:
        wanted["embeddings"] = "kept"
    if spec.id in options.save_train_predictions:
        wanted["train_predictions"] = "kept"
    if spec.pretraining:
        wanted["weights_file"] = "kept"
    return open_tracker(options.store).find_completed(wanted)


def run_one(
    spec: RunSpec,
    options: RunOptions,
    report: Report = lambda spec, result: None,
    tags: Mapping[str, str] = MappingProxyType({}),
    *,
    force: bool = False,
) -> Outcome:
    """Train or fit, evaluate, explain and track one run, unless another process has made it.

    Args:
        spec: The run; those that it needs are completed.
        options: Where and how.
        report: Called after each epoch.
        tags: Added to the run's own, or in place of them; ``mlflow.runName`` names the run.
        force: Whether to make it although it is complete.

    Returns:
        The outcome: what goes wrong in the run is told there, and is no exception.
    """
    tags = {"mlflow.runName": spec.name, **_tags(spec, options), **tags}
    figures: dict[str, float] = {}
    remark = ""
    try:
        run = claim(
            open_tracker(options.store),
            tags,
            lambda: find_run(spec, options, tags["spec_id"]),
            force=force,
        )
        if run is None:
            made = find_run(spec, options, tags["spec_id"]) or ""
            return Outcome(spec=spec, status="completed", run_id=made, reused=True)
        with (
            run,
            tempfile.TemporaryDirectory() as folder,
            models[spec.system.model].code(called_directly=False),
        ):
            for item in _log(spec, options, run, Path(folder), report):
                run.log(item)
                if isinstance(item, Metric):
                    figures[item.name] = item.value
                elif isinstance(item, Tag) and item.name == FAILED:
                    remark = f"its explanations failed: {item.value}"
    except Skipped as error:
        return Outcome(spec=spec, status="skipped", reason=str(error))
    except Exception as error:
        return Outcome(spec=spec, status="failed", reason=one_line(error))
    return Outcome(
        spec=spec,
        status="completed",
        run_id=run.id,
        test_accuracy=figures.get("test_accuracy"),
        explain_seconds=figures.get("explain_seconds", 0.0),
        remark=remark,
    )


def _log(
    spec: RunSpec, options: RunOptions, run: TrackedRun, scratch: Path, report: Report
) -> Iterator[LogItem]:
    tracker = open_tracker(options.store)
    yield from _log_settings(spec, options, scratch)
    data = open_data(spec.data, spec.input, options.home)
    tracker.log_datasets(run.id, dataset_inputs(data))
    if spec.system.head is not None:
        yield from run_head(spec, options, data, tracker, scratch)
    else:
        yield from NetworkRun(spec, options, data, tracker, scratch).log(report)


def _log_settings(spec: RunSpec, options: RunOptions, scratch: Path) -> Iterator[LogItem]:
    environment = describe_environment(find_device(options.device))
    for name, value in _flat(spec.settings):
        yield Param(name, value)
    for name in ("hardware", "git_commit"):
        yield Tag(name, environment[name])
    files: dict[str, Any] = {"config.json": spec.settings, "environment.json": environment}
    for name, content in files.items():
        (scratch / name).write_text(json.dumps(content, indent=2))
        yield Artifact(scratch / name)


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested settings into dotted names; a head's parameters become ``head.NAME``."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif name == "params":
            yield from ((f"head.{key}", setting) for key, setting in value)
        else:
            yield prefix + name, ", ".join(value) if isinstance(value, list) else value


def _tags(spec: RunSpec, options: RunOptions) -> dict[str, str]:
    """Words by which the leaderboard and MLflow's UI find and group the run."""
    published = PUBLISHED.get(spec.name)
    return {
        "spec_id": spec.id,
        "context": spec.context,
        "system": spec.title,
        "group": spec.group,
        "kind": "head" if spec.system.head else "network",
        "model": spec.system.model,
        "head": spec.system.head or "",
        "head_params": ", ".join(f"{name}={value}" for name, value in spec.system.params),
        "weights": spec.weights,
        "data": spec.data.name,
        "preset": options.preset,
        "published_accuracy": "" if published is None else str(published),
        "mlflow.note.content": _description(spec, published),
    }


def _description(spec: RunSpec, published: float | None) -> str:
    lines = [
        f"**{spec.title}** ({spec.group}), weights: {spec.weights}",
        f"{spec.data.name}: {spec.data.num_images:,} images of {spec.data.num_classes} classes "
        f"at {spec.image_size} x {spec.image_size} pixels, seed {spec.seed}",
    ]
    if published is not None:
        lines.append(f"The study's test accuracy, on its own data: {published:.2%}")
    return "\n\n".join(lines)


def dataset_inputs(data: PreparedData) -> list[DatasetInput]:
    """Describe each split as an input of the run."""
    spec = data.spec
    profile: dict[str, int] = {
        "images": spec.num_images,
        "classes": spec.num_classes,
        "image_size": spec.image_size,
        **{split: len(data.rows(split)) for split in SPLITS},
        "split_seed": spec.seed,
    }
    dataset = Dataset(
        name=spec.name,
        digest=spec.fingerprint,
        source_type="local",
        source=json.dumps({"name": spec.name, "fingerprint": spec.fingerprint}),
        profile=json.dumps(profile),
    )
    return [
        DatasetInput(dataset, [InputTag("mlflow.data.context", ", ".join(SPLITS))]),
    ]
