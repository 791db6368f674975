"""Training and inference beside what this machine's matrix products and memory would allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.performance.images import few_images
from tests.performance.measure import Comparison, Figures, Options, Side, call, compare
from tests.performance.settings import MODELS

if TYPE_CHECKING:
    import torch

    from benchmark.study.config import Precision

SIZES = {64: 30, 128: 10, 240: 4}
"""Images of each class by their side in pixels."""
BATCH, EPOCHS = 16, 4
PRECISIONS = ("float32", "bfloat16")
PRODUCT, COPIED, TRIES = 4096, 2**27, 5
"""Side of the matrices that are multiplied, float32 values that are copied, and how often."""
KINDS = {
    "convolution": ("conv",),
    "attention": ("attention",),
    "linear": ("addmm", "aten::mm", "aten::bmm", "linear"),
    "norms": ("norm",),
    "optimizer": ("adam", "sgd"),
    "data": ("aten::index", "aten::to", "aten::copy", "aten::_to_copy", "aten::div"),
}
"""Parts of the names of torch's operators; what fits none is in ``other_percent``."""


def run(options: Options) -> Iterator[Comparison]:
    """Measure each network in both precisions, whose ratio is that of their times."""
    for size, per_class in SIZES.items():
        images = few_images(options, per_class)
        for model in MODELS[:1] if options.small else MODELS:
            for work in ("train", "infer"):
                arguments = {"model": model, "size": size, "work": work, "data": images}
                sides = [
                    Side(name=p, command=call("limits:measure", precision=p, **arguments))
                    for p in PRECISIONS
                ]
                work_name = f"{model}, {size} px, {work}"
                yield compare(work_name, sides, options.repeats, baseline=PRECISIONS[0])
        if options.small:
            return


def measure(model: str, size: int, work: str, data: str, precision: Precision) -> Figures:
    """Train or score for some epochs, as a run does.

    Returns:
        ``seconds`` of the fastest epoch after the first, ``images_per_second``; the
        ``share_percent`` of them that the machine cannot do without: operations at the rate of the
        best matrix product in that precision, or bytes at that of a copy, ``bound_by_memory`` (1)
        if these are more; and the percentages of an epoch's time by kind of operator.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmark.data.prepared import prepare
    from benchmark.data.sources import open_source
    from benchmark.evaluation.cost import count_flops
    from benchmark.study.config import Config, DataConfig, TrainConfig
    from benchmark.training.devices import autocast
    from benchmark.training.images import image_examples
    from benchmark.training.inference import map_examples
    from benchmark.training.network import build_network, meta_network
    from benchmark.training.trainer import Trainer

    home, device = Path("home"), torch.device("cpu")
    source = open_source(Config(data=DataConfig(source=data, image_size=size)), home)
    prepared = prepare(source, image_size=size, seed=0, home=home)
    classes = len(prepared.class_names)
    torch.manual_seed(0)
    network = build_network(model, "scratch", size, classes)
    examples = image_examples(prepared, device)
    config = TrainConfig(epochs=EPOCHS, batch_size=BATCH, precision=precision, patience=None)
    rows = examples.rows("train")
    flops = count_flops(meta_network(model, "scratch", size, classes), size)
    if work == "train":
        epochs = Trainer(network, examples, config, "scratch", 0).fit()
        with autocast(device, precision):
            moved = training_bytes(network, examples.batch(rows[:BATCH]), len(rows))
        flops *= 3 * len(rows) + len(examples.rows("val"))
    else:
        network.eval()
        moved = 0.0  # weights and images are few bytes beside what is computed of them
        flops *= len(rows)

    def advance() -> float:
        if work == "train":
            return next(epochs).seconds
        start = time.perf_counter()
        map_examples(network, examples, rows, config)
        return time.perf_counter() - start

    seconds = min([advance() for _ in range(EPOCHS - 1)][1:])
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        start = time.perf_counter()
        advance()
        microseconds = 1e6 * (time.perf_counter() - start)
    operators = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    arithmetic, memory = flops / best_product(precision), moved / best_copy()
    return {
        "seconds": seconds,
        "images_per_second": len(rows) / seconds,
        "share_percent": 100 * max(arithmetic, memory) / seconds,
        "bound_by_memory": int(memory > arithmetic),
        **by_kind(operators, microseconds),
    }


def training_bytes(network: torch.nn.Module, batch: torch.Tensor, images: int) -> float:
    """Count what an epoch's training has to read and write at least.

    That is for each step all weights, once forwards and once backwards, their gradients, written
    and read, and reading and writing the weights and Adam's two moments; and what the backward pass
    needs of the forward one, written and read.
    """
    import torch

    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network.train()(batch)
    weights = {parameter.data_ptr(): parameter.nbytes for parameter in network.parameters()}
    activations = sum(size for place, size in saved.items() if place not in weights)
    return images / len(batch) * (10 * sum(weights.values()) + 2 * activations)


def best_product(precision: Precision) -> float:
    """Operations a second of the fastest of some large matrix products."""
    import torch

    a, b = torch.rand(2, PRODUCT, PRODUCT).to(getattr(torch, precision))
    seconds = fastest(lambda: torch.mm(a, b))
    return 2 * PRODUCT**3 / seconds


def best_copy() -> float:
    """Bytes a second, read and written, of the fastest of some large copies."""
    import torch

    source = torch.rand(COPIED)
    target = torch.empty_like(source)
    return 2 * source.nbytes / fastest(lambda: target.copy_(source))


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some tries."""
    ends = [time.perf_counter()]
    for _ in range(TRIES):
        work()
        ends.append(time.perf_counter())
    return min(end - start for start, end in pairwise(ends))


def by_kind(operators: dict[str, float], whole: float) -> dict[str, float]:
    """Sum the time of operators by kind, in percent of all time; Python's is what is between them.

    Args:
        operators: Their time by name, in microseconds.
        whole: All time, in microseconds.
    """
    found = dict.fromkeys([*KINDS, "other"], 0.0)
    for name, value in operators.items():
        lower = name.lower()
        kind = next((k for k, parts in KINDS.items() if any(p in lower for p in parts)), "other")
        found[kind] += value
    found["python"] = max(0.0, whole - sum(found.values()))
    total = sum(found.values())
    return {f"{kind}_percent": 100 * value / total for kind, value in found.items()}
