"""A GPU's recordings: made once for each shape of a batch, of a network that they do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.study.config import TrainConfig
from benchmark.training.graphs import SHAPES, Replayed, in_training
from benchmark.training.images import Examples
from benchmark.training.memory import Pieces
from benchmark.training.network import build_network
from benchmark.training.trainer import Trainer

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


class Recorder:
    """As `torch.cuda.make_graphed_callables`, which wants a GPU: it runs the network, and notes."""

    def __init__(self) -> None:
        self.shapes: list[torch.Size] = []
        self.replays = 0

    def __call__(
        self, step: nn.Module, arguments: tuple[Tensor], **options: Any
    ) -> Callable[[Tensor], Tensor]:
        assert not torch.is_autocast_cache_enabled()
        step(*arguments)
        self.shapes.append(arguments[0].shape)

        def replay(inputs: Tensor) -> Tensor:
            self.replays += 1
            logits: Tensor = step(inputs)
            return logits

        return replay


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: torch.set_rng_state(state))
    yield recorder
    assert torch.is_autocast_cache_enabled()


def normed() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def test_each_of_two_shapes_is_recorded_once_and_gives_what_the_network_gives(
    recorder: Recorder,
) -> None:
    network, twin = normed(), normed()
    replayed = Replayed(network, Pieces())
    batches = [torch.rand(size, 3) for size in (8, 7, 8, 7, 8)]
    torch.manual_seed(1)
    expected = [twin(batch) for batch in batches]
    torch.manual_seed(1)
    for batch, logits in zip(batches, expected, strict=True):
        assert torch.equal(replayed(batch), logits)
    assert [len_ for len_, _ in recorder.shapes] == [8, 7]
    assert recorder.replays == len(batches)
    # Recording took random numbers, and changed running means: both are as they were.
    for own, other in zip(network.buffers(), twin.buffers(), strict=True):
        assert torch.equal(own, other)


def test_images_that_grow_are_recorded_anew(recorder: Recorder) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    replayed = Replayed(network, Pieces())
    sides = (8, 8, 12, 12, 16, 16)
    for side in sides:
        replayed(torch.rand(4, 3, side, side))
    assert [shape[-1] for shape in recorder.shapes] == [8, 12, 16]
    assert recorder.replays == len(sides)
    assert len(replayed._recorded) <= SHAPES


@pytest.mark.parametrize("error", [RuntimeError("not while recording"), AssertionError("hooks")])
def test_a_network_that_cannot_be_recorded_is_called_as_it_is(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries = []

    def fail(*_: object, **__: object) -> None:
        tries.append(1)
        raise error

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fail)
    network = normed().eval()
    replayed = Replayed(network, Pieces())
    for size in (8, 7, 8):
        batch = torch.rand(size, 3)
        assert torch.equal(replayed(batch), network(batch))
    assert len(tries) == 1


def test_a_network_on_a_second_gpu_is_recorded_there(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    current: list[Tensor] = []
    recorded_beside: list[list[Tensor]] = []

    @contextmanager
    def device_of(tensor: Tensor) -> Iterator[None]:
        current.append(tensor)
        yield
        current.pop()

    def record(*arguments: Any, **options: Any) -> Callable[[Tensor], Tensor]:
        recorded_beside.append([*current])
        return recorder(*arguments, **options)

    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    batch = torch.rand(8, 3)
    Replayed(normed(), Pieces())(batch)
    ((beside,),) = recorded_beside
    assert beside is batch
    assert not current


def test_a_batch_in_pieces_is_never_replayed(recorder: Recorder) -> None:
    pieces = Pieces()
    replayed = Replayed(normed(), pieces)
    replayed(torch.rand(8, 3))
    pieces.count = 2
    replayed(torch.rand(4, 3))
    replayed(torch.rand(8, 3))
    assert recorder.replays == 1


def test_networks_are_recorded_on_a_gpu_alone(recorder: Recorder) -> None:
    network = normed()
    assert isinstance(in_training(network, torch.device("cuda"), Pieces()), Replayed)
    assert in_training(network, torch.device("cpu"), Pieces()) is network


def test_the_trainer_calls_what_stands_in_a_networks_place(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []

    class Counted(Replayed):
        def __init__(self, network: nn.Module, _: torch.device, pieces: Pieces) -> None:
            super().__init__(network, pieces)
            self._records = False

        def __call__(self, inputs: Tensor) -> Tensor:
            called.append(len(inputs))
            return super().__call__(inputs)

    monkeypatch.setattr("benchmark.training.trainer.in_training", Counted)
    network = build_network("basic_cnn", "scratch", 32, 3)
    config = TrainConfig(epochs=2, batch_size=16)
    list(Trainer(network, examples, config, "scratch", 0).fit())
    assert sum(called) == 2 * len(examples.rows("train"))


def test_training_is_turned_on(recorder: Recorder) -> None:
    network = normed().eval()
    Replayed(network, Pieces()).train()
    assert network.training


@GPU
def test_a_recording_learns_as_the_network_does() -> None:
    device = torch.device("cuda")
    batches = [torch.rand(size, 3, device=device) for size in (8, 7, 8, 8, 7)]

    def trained(*, replays: bool) -> list[Tensor]:
        network = normed().to(device)
        called: Any = Replayed(network, Pieces()) if replays else network
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        torch.manual_seed(1)
        for batch in batches:
            network.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16):
                logits = called(batch)
            logits.float().square().mean().backward()
            optimizer.step()
        if replays:
            assert set(called._recorded) == {batch.shape for batch in batches}
        return [tensor.detach().clone() for tensor in network.state_dict().values()]

    for own, other in zip(trained(replays=True), trained(replays=False), strict=True):
        torch.testing.assert_close(own, other)


@GPU
def test_a_network_that_looks_at_its_activations_trains_all_the_same() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = self.layer(inputs)
            return -logits if logits.sum().item() < 0 else logits

    network = Looking().to("cuda")
    replayed = Replayed(network, Pieces())
    batch = torch.rand(4, 3, device="cuda")
    for _ in range(2):
        logits = replayed(batch)
        assert torch.equal(logits, network(batch))
        torch.autograd.backward(logits.mean())
