"""Several processes make the runs that one would make, and survive the death of one."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mlflow.entities import Run

from benchmark.execution.launch import Launch
from benchmark.execution.listener import Listener
from benchmark.execution.parallel import ParallelExecutor, _Runs
from benchmark.execution.planning import embedding_ids, plan_study, weights_ids
from benchmark.execution.remote import STARTED
from benchmark.execution.workers import Lost
from benchmark.runs.options import Outcome, RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import Plan, RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from tests.studies import artifact
from tests.tracking.away import Away

pytestmark = pytest.mark.long


class Ear(Listener):
    """Hears what happens, and may act on it."""

    def __init__(self, *, kills: str = "", interrupts: bool = False) -> None:
        self.heard: list[tuple[str, int | None]] = []
        self._kills = kills
        self._interrupts = interrupts

    def started(self, spec: RunSpec) -> None:
        self.heard.append((spec.name, None))
        self._kill("start")

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        self.heard.append((spec.name, result.epoch))
        self._kill("epoch")
        if self._interrupts and len({name for name, epoch in self.heard if epoch}) == 2:
            raise KeyboardInterrupt

    def _kill(self, when: str) -> None:
        if self._kills == when:
            self._kills = ""
            for process in multiprocessing.active_children():
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def plan(config: Config, workplace: Path) -> Plan:
    names = ["basic_cnn-scratch", "resnet18-frozen/extra_trees"]
    return plan_study(config, find_systems(names), workplace / "home").plan


def make_options(plan: Plan, store: Store, home: Path) -> RunOptions:
    return RunOptions(
        store=store,
        home=home,
        device="cpu",
        explain=False,
        save_weights=weights_ids(plan, "needed"),
        save_embeddings=embedding_ids(plan),
    )


def all_runs(store: Store) -> list[Run]:
    tracker = open_tracker(store)
    return list(tracker.client.search_runs([tracker.experiment_id]))


def accuracies(outcomes: list[Outcome]) -> dict[str, tuple[str, float | None]]:
    return {one.spec.name: (one.status, one.test_accuracy) for one in outcomes}


def figures(store: Store) -> dict[str, Any]:
    """Each run's metrics but those of its time and memory, and how many threads it had."""
    found = {}
    for run in all_runs(store):
        if run.data.tags["kind"] == "data":
            continue
        metrics = run.data.metrics.items()
        kept = {name: value for name, value in metrics if not re.search("seconds|_ms|memory", name)}
        file = artifact(open_tracker(store), run.info.run_id, "environment.json")
        found[str(run.info.run_name)] = kept, json.loads(file.read_text())["threads"]
    return found


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_two_at_once_give_what_one_after_the_other_gives(
    config: Config,
    workplace: Path,
    store: Store,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["basic_cnn-scratch", "resnet18-frozen/extra_trees"]
    study = plan_study(config, find_systems(names), workplace / "home")
    launches, outcomes, ears = {}, {}, {}
    for jobs in (2, 1):
        torch.set_num_threads(2 // (3 - jobs))  # each of two has a half, as one alone has then
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"by {jobs}")
        ears[jobs] = Ear()
        launches[jobs] = Launch(
            study=study, home=workplace / "home", device="cpu", explain=False, jobs=jobs
        )
        outcomes[jobs] = list(launches[jobs].execute(ears[jobs]))
    assert {one.status for one in outcomes[2]} == {"completed"}
    assert accuracies(outcomes[2]) == accuracies(outcomes[1])
    both, alone = (figures(launches[jobs].options.store) for jobs in (2, 1))
    assert both.keys() == alone.keys()
    for name, (own, threads) in both.items():  # forests sum their trees in any order
        assert own == pytest.approx(alone[name][0], abs=1e-12), name
        assert threads == alone[name][1] == "1"
    heard = ears[2].heard
    assert {name for name, epoch in heard if epoch is None} == {spec.name for spec in study.plan}
    assert ("basic_cnn-scratch", 2) in heard
    assert all(one.reused for one in launches[2].execute(Ear()))


def test_a_process_that_dies_takes_no_other_run_with_it(
    plan: Plan, workplace: Path, store: Store
) -> None:
    options = make_options(plan, store, workplace / "home")
    found = list(ParallelExecutor(2).execute(plan, options, Ear(kills="start"), force=False))
    (failed,) = [one for one in found if one.status == "failed"]
    assert "SIGKILL" in failed.reason
    assert "fewer --jobs" in failed.reason
    states = {one.spec.name: one.status for one in found}
    assert states == dict.fromkeys(states, "completed") | {failed.spec.name: "failed"}


def test_a_run_whose_process_dies_says_so_in_its_row(
    config: Config, workplace: Path, store: Store
) -> None:
    long = config.train.model_copy(update={"epochs": 100_000, "patience": None})
    config = config.model_copy(update={"train": long})
    study = plan_study(config, find_systems(["basic_cnn"]), workplace / "home")
    launch = Launch(study=study, home=workplace / "home", device="cpu", timeout=1e6)
    (outcome,) = launch.execute(Ear(kills="epoch"))
    assert outcome.reason == "its process died by SIGKILL, perhaps for lack of memory"
    (run,) = [run for run in all_runs(store) if run.data.tags["kind"] != "data"]
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", outcome.reason)


def test_an_interruption_ends_the_processes_and_marks_their_runs_as_killed(
    config: Config, workplace: Path, store: Store
) -> None:
    long = config.train.model_copy(update={"epochs": 100_000, "patience": None})
    config = config.model_copy(update={"train": long})
    names = ["basic_cnn-scratch", "convmixer-scratch"]
    plan = plan_study(config, find_systems(names), workplace / "home").plan
    options = make_options(plan, store, workplace / "home")
    with pytest.raises(KeyboardInterrupt):
        list(ParallelExecutor(2).execute(plan, options, Ear(interrupts=True), force=False))
    assert not multiprocessing.active_children()
    tracked_names = {run.info.run_name: run.info.status for run in all_runs(store)}
    assert tracked_names == dict.fromkeys(names, "KILLED")


def test_a_dead_or_late_run_ends_no_other_while_the_store_is_away(
    plan: Plan, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(make_options(plan, store, workplace / "home"), timeout=400.0)
    spec = next(iter(plan))
    runs = _Runs(1, options, Listener(), force=False)
    away = Away(open_tracker(store))
    away.begin()
    for message, told in ((Lost(reason="its process died"), "fewer --jobs"), (None, "took longer")):
        began = time.monotonic() - (0.0 if message else 500.0)
        monkeypatch.setattr(runs, "_running", {0: (spec, began)})
        heard = [(0, message)] if message else []
        workers = SimpleNamespace(
            hear=lambda seconds, heard=heard: heard, end=lambda *some: None, size=2
        )
        monkeypatch.setattr(runs, "_workers", workers)
        (outcome,) = runs.hear()
        assert outcome.status == "failed"
        assert told in outcome.reason
    monkeypatch.setattr(runs, "_running", {0: (spec, 0.0)})
    runs.end()
    away.end()


def test_only_a_run_that_has_started_takes_too_long(
    plan: Plan, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(make_options(plan, store, workplace / "home"), timeout=400.0)
    runs = _Runs(1, options, Listener(), force=False)
    now = 0.0
    messages: list[tuple[int, str]] = []
    waits: list[float] = []

    def hear(seconds: float) -> list[tuple[int, str]]:
        waits.append(seconds)
        return messages

    workers = SimpleNamespace(ask=lambda *asked: None, end=lambda *some: None, hear=hear, size=1)
    monkeypatch.setattr(runs, "_workers", workers)
    monkeypatch.setattr("benchmark.execution.parallel.time", SimpleNamespace(monotonic=lambda: now))
    runs.begin(next(iter(plan)))
    now = 500.0
    assert list(runs.hear()) == []
    messages = [(0, STARTED)]
    assert list(runs.hear()) == []
    now, messages = 800.0, []
    assert list(runs.hear()) == []
    now = 901.0
    (outcome,) = runs.hear()
    assert "took longer than 400 s" in outcome.reason
    assert waits == [math.inf, math.inf, 100.0, 0.0]


def test_a_gpu_has_room_for_one_network_and_for_heads_beside_it(
    plan: Plan, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = make_options(plan, store, workplace / "home")
    network = next(spec for spec in plan if spec.system.head is None)
    head = next(spec for spec in plan if spec.system.head is not None)
    cases: list[tuple[list[RunSpec], str, bool, bool]] = [
        ([], "cuda", True, True),
        ([network], "cuda", False, True),
        ([head], "cuda", True, True),
        ([network, head], "cuda", False, True),
        ([head, head, head], "cuda", False, False),
        ([network, network], "cpu", True, True),
    ]
    for running, device, another_network, another_head in cases:
        runs = _Runs(3, replace(options, device=device), Listener(), force=False)
        monkeypatch.setattr(runs, "_running", {i: (one, 0.0) for i, one in enumerate(running)})
        assert runs.has_room(network) is another_network
        assert runs.has_room(head) is another_head


def test_a_run_may_take_years(config: Config, workplace: Path, store: Store) -> None:
    study = plan_study(config, find_systems(["basic_cnn"]), workplace / "home")
    launch = Launch(study=study, home=workplace / "home", device="cpu", explain=False, timeout=1e9)
    (outcome,) = launch.execute(Listener())
    assert outcome.status == "completed"


def test_a_run_that_takes_too_long_is_ended_and_its_row_says_why(
    config: Config, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0

    class Hurry(Listener):
        def epoch(self, spec: RunSpec, result: EpochResult) -> None:
            nonlocal passed
            passed = 500.0

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr("benchmark.execution.parallel.time", clock)
    long = config.train.model_copy(update={"epochs": 100_000, "patience": None})
    config = config.model_copy(update={"train": long})
    study = plan_study(config, find_systems(["basic_cnn"]), workplace / "home")
    launch = Launch(study=study, home=workplace / "home", device="cpu", timeout=400)
    (outcome,) = launch.execute(Hurry())
    assert outcome.status == "failed"
    assert outcome.reason == "it took longer than 400 s (--timeout), and was ended"
    assert not multiprocessing.active_children()
    (run,) = [run for run in all_runs(launch.options.store) if run.data.tags["kind"] != "data"]
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", outcome.reason)
