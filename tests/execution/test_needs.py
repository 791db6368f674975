"""What no machine of a cluster can make is waited for, but not for ever."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.execution.cluster import Node
from benchmark.execution.needs import Unmet, needs_of
from benchmark.tracking.patience import LIMIT_SECONDS
from registry.errors import UserError

NEEDS = {"num_cpus": 2, "num_gpus": 0.5, "memory": 3 * 10**9}
TOLD = "2 CPU, 0.5 GPU and 3.0 GB of memory"


def node(cpus: int = 2, gpus: float = 1.0, memory: int = 3 * 10**9) -> Node:
    return Node(host="one", cpus=cpus, gpus=gpus, memory=memory)


def test_what_no_machine_meets_is_told_once_and_given_up_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr("benchmark.execution.needs.time", clock)
    unmet, lacking = Unmet(), [node(cpus=1), node(gpus=0.0), node(memory=10**9)]
    assert unmet.reason(NEEDS, [*lacking, node()]) == ""
    assert not caplog.messages
    assert unmet.reason(NEEDS, lacking) == ""
    clock.monotonic = lambda: LIMIT_SECONDS - 1
    assert unmet.reason(NEEDS, lacking) == ""
    (told,) = caplog.messages
    assert f"no machine of the cluster has {TOLD}" in told
    assert unmet.reason(NEEDS, [node()]) == ""  # one has come back
    clock.monotonic = lambda: LIMIT_SECONDS
    assert unmet.reason(NEEDS, []) == ""
    clock.monotonic = lambda: 2 * LIMIT_SECONDS
    assert f"no machine of the cluster had {TOLD} for 10 minutes" in unmet.reason(NEEDS, [])
    assert unmet.reason({**NEEDS, "num_gpus": 0}, []) == ""


def test_a_network_takes_no_more_memory_than_a_machine_with_a_gpu_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmark.execution.needs.memory_of", lambda spec: 10**12)
    nodes = [node(gpus=0.0, memory=10**10), node()]
    executor: Any = SimpleNamespace(jobs=1, gpu_share=1.0)
    for head, device, memory in (
        (None, "auto", 3 * 10**9),
        (None, "cpu", 10**10),
        ("extra_trees", "auto", 10**10),
    ):
        spec: Any = SimpleNamespace(system=SimpleNamespace(head=head))
        options: Any = SimpleNamespace(device=device, threads=1)
        needs = needs_of(spec, executor, nodes, options)
        assert needs["memory"] == memory
        assert Unmet().reason(needs, nodes) == ""
    with pytest.raises(UserError, match="no node with a processor to spare"):
        needs_of(spec, executor, [], options)
