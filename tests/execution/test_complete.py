"""Which runs are complete from before, what they were made without, and what a plan says of it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from benchmark.execution.complete import find_complete
from benchmark.execution.launch import Launch
from benchmark.runs.record import tags_of
from benchmark.runs.run_one import find_run
from benchmark.study.config import Config
from benchmark.terminal.planned import print_header, print_plan
from benchmark.tracking.items import LogItem, Metric, Tag
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.devices import find_device
from tests.studies import FROZEN, HEAD, launch

WEIGHTS = Tag("weights_file", "kept")
EXPLAINED = Metric("explain_seconds", 1.0)


def track(launched: Launch, name: str, *items: LogItem) -> None:
    """Put on record that a run of a plan is completed."""
    (spec,) = (spec for spec in launched.study.plan if spec.name == name)
    store = launched.options.store
    with Tracker(store).start(name, tags_of(spec, launched.options)) as run:
        run.log(*items)


def said(launched: Launch) -> list[str]:
    """The lines of a plan, each of whose runs takes 100 s alone."""
    asked_anew = replace(launched)
    for spec in launched.study.plan:
        asked_anew.forecast.learn(spec, seconds=100)
    console = Console(file=StringIO(), width=200)
    print_header(console, asked_anew)
    print_plan(console, asked_anew)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def planned(config: Config, store: Store) -> Launch:
    return launch(config, "basic_cnn", FROZEN, HEAD, save_weights="all", explain=True)


def test_a_run_is_complete_that_kept_what_others_need(planned: Launch) -> None:
    plan, options = planned.study.plan, planned.options
    assert find_complete(plan, options).ids == frozenset()  # nor is there an experiment
    track(planned, "basic_cnn-scratch", Tag("embeddings", "kept"))
    track(planned, FROZEN, WEIGHTS)
    track(planned, HEAD)
    found = find_complete(plan, options).ids
    assert {spec.name for spec in plan if spec.id in found} == {"basic_cnn-scratch", HEAD}
    assert found == {spec.id for spec in plan if find_run(spec, options)}


def test_what_complete_runs_were_made_without_is_told(planned: Launch) -> None:
    track(planned, "basic_cnn-scratch", Tag("embeddings", "kept"))
    track(planned, "resnet18-pretrained", WEIGHTS)
    track(planned, FROZEN, Tag("embeddings", "kept"), WEIGHTS, EXPLAINED)
    track(planned, HEAD, Tag("no_explanations", "it takes too long"))
    again = "--force, with the same data and settings, repeats one"
    told = [line for line in said(planned) if "without" in line]
    assert told == [
        f"2 complete runs without weights: bench run NAME --save-weights all {again}",
        f"1 complete run without explanations: bench run NAME {again}",
    ]
    wanting_less = replace(planned, save_weights="none", explain=False)
    for asked in (wanting_less, replace(planned, force=True)):
        assert "without" not in "".join(said(asked))


def test_a_plan_tells_what_disk_and_time_the_open_runs_take(planned: Launch) -> None:
    track(planned, FROZEN, Tag("embeddings", "kept"), WEIGHTS, EXPLAINED)
    track(planned, "resnet18-pretrained", WEIGHTS)
    assert "weights that will be kept: 2 MB, and the files of 1 head" in said(planned)
    time = "time: about 3 min 20 s on"
    told = "from runs measured before"
    assert f"{time} cpu, {told}" in said(planned)
    assert f"{time} cpu, one by one, {told}" in said(replace(planned, jobs=4))
    on_ray = said(replace(planned, executor="ray", device="auto"))
    here = find_device("auto")
    assert f"{time} {here} of this machine, one by one, {told}" in on_ray
    assert any(line.endswith("on what Ray finds") for line in on_ray)
