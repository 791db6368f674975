"""What another machine of a cluster lacks is told before anything is made there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.execution.cluster import Node
from benchmark.execution.ray import check_reach, order
from benchmark.execution.remote import check_node
from benchmark.processes.identity import this_process
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.tracking.store import Store
from registry.errors import UserError


@pytest.fixture
def options(store: Store, workplace: Path) -> RunOptions:
    driver = replace(this_process(), host="first")
    return RunOptions(store=store, home=workplace / "home", driver=driver)


@pytest.mark.parametrize(("share", "room"), [(0.1, 20), (0.2, 10), (0.3, 6), (1.0, 2), (0, 4)])
def test_shares_of_gpus_are_counted_to_the_last(share: float, room: int) -> None:
    node = Node(host="one", cpus=8, gpus=2.0, memory=1)
    assert node.room(2, share) == room


def test_another_version_of_bench_makes_no_run(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "first")
    wanted = order("work", options)
    check_node(wanted, options)
    with pytest.raises(UserError, match="another version of bench than first: install the same"):
        check_node(replace(wanted, version=wanted.version - 1), options)


def test_artifacts_that_would_stay_on_another_machine_are_refused(
    options: RunOptions, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order("work", options)
    open_tracker(options.store)
    shutil.rmtree(workplace / "artifacts", ignore_errors=True)
    monkeypatch.setattr("socket.gethostname", lambda: "second")
    with pytest.raises(UserError, match=r"artifacts go to .*/artifacts/tests, which second lacks"):
        check_node(wanted, options)
    monkeypatch.setattr("socket.gethostname", lambda: "first")
    check_node(wanted, options)


def test_a_database_in_a_file_is_no_store_for_two_machines(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [Node(host=host, cpus=1, gpus=0, memory=1) for host in ("first", "second")]
    monkeypatch.setattr("socket.gethostname", lambda: "first")
    check_reach(nodes[:1], options)
    with pytest.raises(UserError, match="second cannot reach the MLflow store sqlite"):
        check_reach(nodes, options)
    server = Store(uri="http://first:5000", experiment="tests")
    check_reach(nodes, replace(options, store=server))
