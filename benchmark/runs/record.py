"""Turns the spec of a run into what its record says besides results: settings, tags, data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from benchmark.classifier.record import RECORD_FILE
from benchmark.data.prepared import PreparedData
from benchmark.data.splits import SPLITS
from benchmark.runs.environment import describe_environment
from benchmark.runs.options import RunOptions
from benchmark.study.plan import SPEC_VERSION, RunSpec
from benchmark.study.suite import PUBLISHED
from benchmark.tracking.claims import DRIVER
from benchmark.tracking.items import Artifact, LogItem, Param, Tag
from benchmark.tracking.pending import NOTE
from benchmark.training.devices import find_device
from registry.printable import marked

_PLACES = ("device", "hardware", "git_commit", "platform", "cpu_cores")
"""What the environment tells besides versions."""


def settings_of(spec: RunSpec, options: RunOptions, scratch: Path) -> Iterator[LogItem]:
    """Say what is run, on what machine, with which versions.

    Args:
        spec: The run.
        options: For the device.
        scratch: Folder for files on their way to MLflow.
    """
    environment = describe_environment(find_device(options.device))
    for name, value in _flat(spec.settings):
        yield Param(name, value)
    for name in ("device", "hardware", "git_commit"):
        yield Tag(name, environment[name])
    versions = (f"{name} {value}" for name, value in environment.items() if name not in _PLACES)
    yield Tag("versions", ", ".join(versions))
    files: dict[str, Any] = {RECORD_FILE: spec.settings, "environment.json": environment}
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


def split_sizes(data: PreparedData) -> Iterator[Param]:
    """Say how many images each split has."""
    for split in SPLITS:
        yield Param(f"data.{split}_images", len(data.rows(split)))


def tags_of(spec: RunSpec, options: RunOptions) -> dict[str, str]:
    """Words by which the leaderboard and MLflow's UI find and group the run."""
    study = PUBLISHED.get(spec.name) if options.studied else None
    return {
        "spec_id": spec.id,
        "spec_version": str(SPEC_VERSION),
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
        DRIVER: str(options.driver),
        "study_accuracy": "" if study is None else str(study),
        NOTE: _description(spec, study),
    }


def _description(spec: RunSpec, study: float | None) -> str:
    data = spec.data
    lines = [
        f"**{marked(spec.title)}** ({spec.group}), weights: {spec.weights}",
        f"{marked(data.name)}: {data.num_images:,} images of {data.num_classes} classes "
        f"at {spec.image_size} x {spec.image_size} pixels, seed {spec.seed}",
    ]
    if study is not None:
        lines.append(f"The study's test accuracy, on its own data: {study:.2%}")
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
