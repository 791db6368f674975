"""How many runs are made at once if nobody says."""

from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
import torch

from benchmark.execution.forecast import Forecast
from benchmark.execution.jobs import jobs_at_once, together, trials_at_once
from benchmark.execution.parallel import ParallelExecutor
from benchmark.study.config import Config, TrainConfig
from benchmark.study.plan import DataSpec, RunSpec
from benchmark.study.suite import System
from tests.execution.test_complete import track
from tests.studies import launch

CPU, GPU = torch.device("cpu"), torch.device("cuda")
DATA = DataSpec(name="x", fingerprint="f", image_size=32, num_classes=3, num_images=30, seed=0)
NETWORK = RunSpec(
    system=System(model="resnet18", schedule="scratch"), data=DATA, train=TrainConfig(), seed=0
)
HEAD = replace(NETWORK, system=System(model="resnet18", schedule="frozen", head="extra_trees"))


def let_be_free(monkeypatch: pytest.MonkeyPatch, gigabytes: int) -> None:
    memory = psutil.virtual_memory()._replace(available=gigabytes * 2**30)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    let_be_free(monkeypatch, 64)


def seconds(*each: float) -> Callable[[RunSpec], float | None]:
    """What runs take, in the order in which they are asked about."""
    taken = iter(each)
    return lambda spec: next(taken)


def never(spec: RunSpec) -> float | None:
    return None


def of_seed(seed: int, spec: RunSpec = NETWORK) -> RunSpec:
    return replace(spec, seed=seed)


def test_runs_of_like_length_are_made_two_at_once() -> None:
    networks = [of_seed(seed) for seed in range(10)]
    assert jobs_at_once(networks, CPU, seconds(*[50.0] * 10)) == 2
    assert jobs_at_once(networks, CPU, seconds(*[5.0] * 10)) == 1  # a process starts for longer


def test_one_that_would_end_alone_has_all_cores() -> None:
    three = [of_seed(seed) for seed in range(3)]
    assert jobs_at_once(three, CPU, seconds(60.0, 60.0, 900.0)) == 1
    assert jobs_at_once([NETWORK], CPU, seconds(900.0)) == 1
    assert jobs_at_once([], CPU, seconds()) == 1


def test_of_what_is_not_known_nothing_is_expected() -> None:
    assert jobs_at_once([of_seed(seed) for seed in range(10)], CPU, never) == 1


def test_runs_wait_for_those_that_they_need_and_no_longer() -> None:
    backbone, other = of_seed(0), of_seed(1)
    head = replace(HEAD, needs=(backbone.id,))
    took = {backbone.id: 10.0, other.id: 30.0, head.id: 5.0}
    assert together([backbone, head, other], took) == 30.0
    assert together([other, backbone, head], {**took, other.id: 12.0}) == 15.0
    assert together([head], {head.id: 5.0}) == 5.0  # its backbone is complete


def test_a_gpu_has_heads_beside_its_network_and_no_second_network() -> None:
    assert jobs_at_once([NETWORK, HEAD], GPU, never) == 2
    assert jobs_at_once([NETWORK, of_seed(1)], GPU, never) == 1


def test_two_that_memory_does_not_hold_are_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_be_free(monkeypatch, 2)
    heads = [of_seed(seed, HEAD) for seed in range(4)]
    assert jobs_at_once(heads, CPU, lambda spec: 100.0) == 2
    assert jobs_at_once([NETWORK, *heads], CPU, lambda spec: 100.0) == 1


def test_two_cores_are_given_one_network_or_one_head_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert jobs_at_once([of_seed(s) for s in range(10)], CPU, lambda spec: 100.0) == 1
    assert jobs_at_once([NETWORK, HEAD], GPU, never) == 2  # the cores have nothing else to do
    assert trials_at_once("auto", is_network=True) == 1
    assert trials_at_once(2, is_network=True) == 2


@pytest.mark.usefixtures("store")
def test_a_study_is_made_as_many_at_once_as_its_open_runs_are_faster(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forecast, "seconds", lambda self, spec: 100.0)
    names = ("basic_cnn", "convmixer", "residual_cnn", "resnet18-scratch")
    one_by_one = launch(config, *names, save_weights="none")
    chosen = replace(one_by_one, jobs="auto")
    assert (one_by_one.at_once, chosen.at_once) == (1, 2)
    assert isinstance(chosen.make_executor(), ParallelExecutor)
    with monkeypatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        assert replace(chosen).at_once == 1
    track(chosen, "convmixer-scratch")
    assert replace(chosen).at_once == 1  # of three, one would end alone


def test_one_core_is_given_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert jobs_at_once([of_seed(s) for s in range(10)], CPU, lambda spec: 100.0) == 1
    assert trials_at_once("auto", is_network=True) == 1


def test_trees_of_a_sweep_grow_alone_and_a_number_is_taken_as_it_is() -> None:
    assert trials_at_once("auto", is_network=True) == 2
    assert trials_at_once("auto", is_network=False) == 1
    assert trials_at_once(3, is_network=False) == 3
