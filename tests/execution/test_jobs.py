"""How many runs are made at once if nobody says."""

from dataclasses import replace

import psutil
import pytest
import torch

from benchmark.execution.jobs import jobs_at_once, trials_at_once
from benchmark.study.config import TrainConfig
from benchmark.study.plan import DataSpec, RunSpec
from benchmark.study.suite import System

CPU, GPU = torch.device("cpu"), torch.device("cuda")
DATA = DataSpec(name="x", fingerprint="f", image_size=32, num_classes=3, num_images=30, seed=0)
NETWORK = RunSpec(
    system=System(model="resnet18", schedule="scratch"), data=DATA, train=TrainConfig(), seed=0
)
HEAD = replace(NETWORK, system=System(model="resnet18", schedule="frozen", head="extra_trees"))


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_two_runs_at_once_use_what_one_leaves_idle() -> None:
    assert jobs_at_once([NETWORK, HEAD, HEAD], CPU, None) == 2
    assert jobs_at_once([NETWORK, HEAD], CPU, 600.0) == 2


def test_what_is_short_or_alone_is_made_one_after_the_other() -> None:
    assert jobs_at_once([NETWORK], CPU, None) == 1
    assert jobs_at_once([], CPU, None) == 1
    assert jobs_at_once([NETWORK, HEAD, HEAD], CPU, 20.0) == 1


def test_a_gpu_has_heads_beside_its_network_and_no_second_network() -> None:
    assert jobs_at_once([NETWORK, HEAD], GPU, None) == 2
    assert jobs_at_once([NETWORK, NETWORK], GPU, None) == 1


def test_two_that_memory_does_not_hold_are_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = psutil.virtual_memory()._replace(available=2 * 2**30)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert jobs_at_once([HEAD, HEAD], CPU, None) == 2
    assert jobs_at_once([NETWORK, HEAD], CPU, None) == 1


def test_one_core_is_given_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert jobs_at_once([NETWORK, HEAD], CPU, None) == 1
    assert trials_at_once("auto", is_network=True) == 1


def test_trees_of_a_sweep_grow_alone_and_a_number_is_taken_as_it_is() -> None:
    assert trials_at_once("auto", is_network=True) == 2
    assert trials_at_once("auto", is_network=False) == 1
    assert trials_at_once(3, is_network=False) == 3
