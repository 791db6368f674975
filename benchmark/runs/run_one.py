"""Turns one run's spec into a tracked outcome: the only function that a worker calls."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import torch

from benchmark.data.prepared import PreparedData
from benchmark.runs.explanations import FAILED
from benchmark.runs.head import run_head
from benchmark.runs.network import NetworkRun, checkpoint_of
from benchmark.runs.options import Outcome, Report, RunOptions
from benchmark.runs.record import dataset_inputs, settings_of, split_sizes, tags_of
from benchmark.study.plan import DataSpec, RunSpec
from benchmark.tracking.claims import claim
from benchmark.tracking.items import LogItem, Metric, Tag
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import ResultsKept, Skipped, TrackedRun
from benchmark.tracking.writer import Tracker
from registry import models
from registry.errors import of_the_machine, one_line
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
    wanted = {"spec_id": spec_id or spec.id, **kept_for_others(spec, options)}
    return open_tracker(options.store).find_completed(wanted)


def kept_for_others(spec: RunSpec, options: RunOptions) -> dict[str, str]:
    """Tags of a run of this spec that kept what other runs need of it."""
    wanted = {}
    if spec.id in options.save_embeddings:
        wanted["embeddings"] = "kept"
    if spec.id in options.save_train_predictions:
        wanted["train_predictions"] = "kept"
    if spec.pretraining:
        wanted["weights_file"] = "kept"
    return wanted


def run_one(
    spec: RunSpec,
    options: RunOptions,
    report: Report = lambda spec, result: None,
    tags: Mapping[str, str] = MappingProxyType({}),
    *,
    force: bool = False,
    started: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train or fit, evaluate, explain and track one run, unless another process has made it.

    Args:
        spec: The run; those that it needs are completed.
        options: Where and how.
        report: Called after each epoch.
        tags: Added to the run's own, or in place of them; ``mlflow.runName`` names the run.
        force: Whether to make it although it is complete.
        started: Called as it begins, once no other process makes it.

    Returns:
        The outcome: what goes wrong in the run is told there, and is no exception.
    """
    tags = {"mlflow.runName": spec.name, **tags_of(spec, options), **tags}
    torch.set_num_threads(options.threads)
    figures: dict[str, float] = {}
    remark = ""
    try:
        run = claim(
            open_tracker(options.store),
            tags,
            lambda: find_run(spec, options, tags["spec_id"]),
            force=force,
        )
        if isinstance(run, str):
            remove_checkpoint(spec, options)
            return Outcome(spec=spec, status="completed", run_id=run, reused=True)
        run.keep_in(options.home)
        with (
            run,
            tempfile.TemporaryDirectory() as folder,
            models[spec.system.model].code(called_directly=False),
        ):
            started()
            for item in _log(spec, options, run, Path(folder), report):
                run.log(item)
                if isinstance(item, Metric):
                    figures[item.name] = item.value
                elif isinstance(item, Tag) and item.name == FAILED:
                    remark = f"its explanations failed: {item.value}"
    except ResultsKept as error:
        remove_checkpoint(spec, options)
        return Outcome(spec=spec, status="unsent", reason=str(error))
    except Skipped as error:
        return Outcome(spec=spec, status="skipped", reason=str(error))
    except Exception as error:
        return Outcome(spec=spec, status="failed", reason=one_line(of_the_machine(error) or error))
    remove_checkpoint(spec, options)
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
    yield from settings_of(spec, options, scratch)
    data = open_data(spec.data, spec.input, options.home)
    yield from split_sizes(data)
    run.log_inputs(dataset_inputs(data))
    if spec.system.head is not None:
        yield from run_head(spec, options, data, tracker, scratch)
    else:
        yield from NetworkRun(spec, options, data, tracker, scratch).log(report)


def remove_checkpoint(spec: RunSpec, options: RunOptions) -> None:
    """Remove what a training would go on from, of a run that is complete."""
    if spec.system.head is None:
        checkpoint_of(spec, options).remove()
