"""A Ray cluster makes the runs that one process would make, and survives the death of a node."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.execution.cluster import OBJECT_STORE_BYTES, connected, import_ray
from benchmark.execution.launch import Launch
from benchmark.execution.listener import Listener
from benchmark.execution.planning import Study, plan_study
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.claims import end_dead_runs, process_of
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from registry.errors import UserError
from tests.execution.test_parallel import accuracies, all_runs, figures
from tests.execution.test_workers import Counting, hear

pytestmark = pytest.mark.long

NAMES = ["resnet18-frozen/extra_trees-n100-d10"]
PASSWORD = "nobody-writes-this-down"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and another node, each with room for one run, on the loopback address."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0" * 32)
        import_ray(loopback=True)
        from ray.cluster_utils import Cluster

        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES}
        head = {**node, "include_dashboard": False}
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(**node)
        yield cluster
        cluster.shutdown()


def plan(config: Config, workplace: Path, *names: str, epochs: int = 3) -> Study:
    train = config.train.model_copy(update={"epochs": epochs, "patience": epochs})
    config = config.model_copy(update={"train": train})
    return plan_study(config, find_systems(names), workplace / "home")


def launch(study: Study, workplace: Path, cluster: Any) -> Launch:
    return Launch(
        study=study,
        home=workplace / "home",
        device="cpu",
        explain=False,
        executor="ray",
        address=cluster.address,
    )


class Saboteur(Listener):
    """Does harm once so many runs are in their epochs, to each beginning once."""

    def __init__(self, harm: Callable[[], object], at: int = 1, times: int = 1) -> None:
        self._harm, self._at, self._left = harm, at, times
        self._training: set[str] = set()
        self.began: list[str] = []

    def started(self, spec: RunSpec) -> None:
        self.began.append(spec.name)

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        if result.epoch == 1:
            self._training.add(spec.name)
        if len(self._training) == self._at and self._left:
            self._left -= 1
            self._training.clear()
            self._harm()


def test_a_cluster_gives_what_one_process_gives_and_writes_no_password_down(
    config: Config, workplace: Path, store: Store, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = plan(config, workplace, *NAMES)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "by ray")
    by_ray = launch(study, workplace, cluster)
    ear = Saboteur(lambda: None)
    outcomes = list(by_ray.execute(ear))
    assert {one.status for one in outcomes} == {"completed"}, [str(one) for one in outcomes]
    assert sorted(ear.began) == sorted(spec.name for spec in study.plan)
    logs = Path(cluster.head_node.get_session_dir_path()).rglob("*")
    written = [path for path in logs if path.is_file() and PASSWORD in path.read_text("latin-1")]
    assert not written
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "alone")
    alone = Launch(study=study, home=workplace / "home", device="cpu", explain=False)
    assert accuracies(outcomes) == accuracies(list(alone.execute(Listener())))
    made, expected = (figures(one.options.store) for one in (by_ray, alone))
    assert made.keys() == expected.keys()
    for name, (own, threads) in made.items():  # forests sum their trees in any order
        assert own == pytest.approx(expected[name][0], abs=1e-12), name
        assert threads == expected[name][1]
    makers = {process_of(run).pid for run in all_runs(by_ray.options.store)} - {os.getpid()}
    assert len(makers) == len(study.plan)  # a fresh process each


def test_a_run_whose_node_is_removed_is_made_again_on_another(
    config: Config, workplace: Path, store: Store, cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    study = plan(config, workplace, "basic_cnn-scratch", "convmixer-scratch", epochs=150)
    (node,) = cluster.worker_nodes
    saboteur = Saboteur(lambda: cluster.remove_node(node, allow_graceful=False), at=2)
    outcomes = list(launch(study, workplace, cluster).execute(saboteur))
    cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
    assert {one.status for one in outcomes} == {"completed"}, [str(one) for one in outcomes]
    assert len(saboteur.began) == 3
    states = sorted(run.info.status for run in all_runs(store))
    assert states == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]  # one is the data's
    assert any("it is made again" in message for message in caplog.messages)


def test_a_run_that_takes_too_long_is_ended_and_the_next_is_made(
    config: Config, workplace: Path, store: Store, cluster: Any
) -> None:
    study = plan(config, workplace, "basic_cnn-scratch", epochs=100_000)
    by_ray = replace(launch(study, workplace, cluster), timeout=3)
    (outcome,) = by_ray.execute(Listener())
    assert outcome.status == "failed"
    assert "it took longer than 3 s" in outcome.reason
    assert {run.info.status for run in all_runs(store)} == {"FINISHED", "FAILED"}


def test_messages_that_are_lost_with_their_queue_end_no_run(
    config: Config, workplace: Path, store: Store, cluster: Any
) -> None:
    session = cluster.head_node.get_session_dir_path()

    def kill() -> None:
        for process in psutil.process_iter(["cmdline"]):
            with suppress(psutil.Error):  # others begin and end meanwhile
                is_queue = "_QueueActor" in "".join(process.info["cmdline"] or ())
                if is_queue and session in "".join((process.parent() or process).cmdline()):
                    process.kill()
                    killed.append(process.pid)

    killed: list[int] = []
    study = plan(config, workplace, "basic_cnn-scratch", epochs=150)
    (outcome,) = launch(study, workplace, cluster).execute(Saboteur(kill))
    assert outcome.status == "completed", str(outcome)
    assert len(killed) == 1


def test_a_run_whose_process_always_dies_fails_and_a_dead_driver_loses_nothing(
    config: Config, workplace: Path, store: Store, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.execution.ray.QUEUED_AGAIN", 1)
    study = plan(config, workplace, "basic_cnn-scratch", epochs=100_000)

    def kill() -> None:
        running = [run for run in all_runs(store) if run.info.status == "RUNNING"]
        os.kill(process_of(running[0]).pid, signal.SIGKILL)

    by_ray = launch(study, workplace, cluster)
    saboteur = Saboteur(kill, times=2)
    (failed,) = by_ray.execute(saboteur)
    assert (failed.status, failed.reason[:28]) == ("failed", "its process died, 2 times, p")
    assert len(saboteur.began) == 2
    errors = {run.info.status: run.data.tags.get("error") for run in all_runs(store)}
    assert errors == {"FINISHED": None, "KILLED": None, "FAILED": failed.reason}

    command = [sys.executable, "-m", "benchmark.cli", "run", "basic_cnn", "--no-explain"]
    command += ["--executor", "ray", "--address", cluster.address, "--device", "cpu"]
    command += ["--data", study.config.data.source, "--weights", "demo"]
    command += ["--set", "data.image_size=32", "--set", "train.epochs=5000"]
    with subprocess.Popen([*command, "--set", "train.patience=none"]) as driver:
        try:
            maker = _wait_for_maker(store)
        finally:
            driver.kill()
    _, alive = psutil.wait_procs([maker], timeout=60)
    assert not alive  # the cluster ended it with its driver
    end_dead_runs(open_tracker(store))
    assert "RUNNING" not in {run.info.status for run in all_runs(store)}


def test_what_no_machine_can_make_is_told_and_not_waited_for_for_ever(
    config: Config,
    workplace: Path,
    store: Store,
    cluster: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("benchmark.execution.needs.LIMIT_SECONDS", 2)
    lacking = {"num_cpus": 1, "num_gpus": 1, "memory": 2**30}
    for name in ("ray", "actors"):
        monkeypatch.setattr(f"benchmark.execution.{name}.needs_of", lambda *_: lacking)
    by_ray = launch(plan(config, workplace, *NAMES), workplace, cluster)
    first, *others = by_ray.execute(Listener())
    told = "no machine of the cluster had 1 CPU, 1 GPU and 1.1 GB of memory"
    assert (first.status, first.reason[: len(told)]) == ("failed", told)
    assert {one.status for one in others} == {"skipped"}
    with by_ray.hiring() as hire:
        workers = hire(Counting())
        workers.ask(0, 1)
        with pytest.raises(UserError, match=told):
            hear(workers, 1)
    assert len([one for one in caplog.messages if "no machine of the cluster has" in one]) == 2


def _wait_for_maker(store: Store) -> psutil.Process:
    for _ in range(600):
        for run in all_runs(store):
            if run.info.status == "RUNNING" and run.data.metrics and "driver" in run.data.tags:
                return psutil.Process(process_of(run).pid)
        time.sleep(0.2)
    raise AssertionError("no run began")


def test_each_cluster_is_opened_by_the_token_that_is_set_for_it(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(cluster.address) as nodes:
        assert len(nodes) == 2
    monkeypatch.setenv("RAY_AUTH_TOKEN", "1" * 32)

    def count() -> int:
        with connected(None) as nodes:
            return len(nodes)

    with ThreadPoolExecutor() as pool:  # not the main one, where no handler of signals can be set
        assert pool.submit(count).result() == 1


def test_what_is_missing_is_told_in_a_line(
    image_folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ["run", "basic_cnn", "--data", str(image_folder), "--set", "data.image_size=32"]
    alone = CliRunner().invoke(main, [*run, "--address", "127.0.0.1:6379"])
    assert (alone.exit_code, "goes with --executor ray" in alone.output) == (2, True)
    monkeypatch.setitem(sys.modules, "ray", None)
    found = CliRunner().invoke(main, [*run, "--executor", "ray"])
    assert found.exit_code == 2
    assert "uv sync --inexact --extra ray" in found.output
