"""Turns a network into what it costs: parameters, operations, time."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.data.home import home
from benchmark.data.remembered import remembered
from benchmark.study.config import TrainConfig
from benchmark.study.suite import System
from benchmark.training.devices import autocast, now
from benchmark.training.heads import fit_head
from benchmark.training.images import Examples
from benchmark.training.inference import inference_batch
from benchmark.training.memory import Pieces
from benchmark.training.network import Network, build_network, meta_network
from registry import heads, models
from registry.protocols import SIZE
from registry.specs import ModelSpec, Schedule

TIMED_IMAGES = 64
TIMED_BATCH = 4
TIMED_TREES, TIMED_ROWS, TIMED_FEATURES = 10, 200, 512


def count_parameters(network: Network, schedule: Schedule) -> dict[str, float]:
    """Count ``params_total``, and ``params_trainable``: those that the schedule ever trains."""
    total = sum(parameter.numel() for parameter in network.parameters())
    classifier = sum(parameter.numel() for parameter in network.classifier.parameters())
    trainable = classifier if schedule == "frozen" else total
    return {"params_total": float(total), "params_trainable": float(trainable)}


def count_flops(network: Network, image_size: int) -> float:
    """Count the floating-point operations of one image's forward pass.

    Args:
        network: On the meta device, nothing is computed.
        image_size: Side of the image in pixels.
    """
    counter = FlopCounterMode(display=False)
    device = next(network.parameters()).device
    # In evaluation mode, attention takes a fused path that the counter does not see.
    with counter, torch.no_grad(), torch.device(device):
        network.train()(torch.zeros(2, 3, image_size, image_size))
    return counter.get_total_flops() / 2


def network_cost(
    system: System, image_size: int, num_classes: int, *, test_flip: bool = False
) -> dict[str, float]:
    """Parameters and FLOPs of a network, without making its weights if its code can do without.

    Args:
        system: Which.
        image_size: Side of the images in pixels.
        num_classes: How many classes.
        test_flip: Whether images are classified in two passes, by their mirror images besides.

    Returns:
        ``params_total``, ``params_trainable``, ``flops``.

    Raises:
        PluginError: The model is a plugin's, and failed.
    """
    model = models[system.model]
    count = partial(_count, model, system.schedule, image_size, num_classes)
    question = (system.model, system.schedule, image_size, num_classes)
    one_pass = (
        count() if model.of_plugin else remembered(home(write=False), "cost", question, count)
    )
    return {**one_pass, "flops": one_pass["flops"] * (2 if test_flip else 1)}


@lru_cache(maxsize=256)
def _count(
    model: ModelSpec, schedule: Schedule, image_size: int, num_classes: int
) -> dict[str, float]:
    shape = (model.name, schedule, image_size, num_classes)
    with model.code(), torch.random.fork_rng(devices=[]):  # it is counted in the midst of a run
        try:
            network = meta_network(*shape)
            flops = count_flops(network, image_size)
        except Exception:  # some models' code looks at values
            network = build_network(*shape)
            flops = count_flops(network, image_size)
    return {**count_parameters(network, schedule), "flops": flops}


@torch.inference_mode()
def time_inference(network: Network, images: Examples, config: TrainConfig) -> float:
    """Time the forward pass over some test images.

    Returns:
        Milliseconds an image, in batches as they are classified in, after a warm-up.
    """
    network.eval()
    rows = images.rows("test")[:TIMED_IMAGES]

    def time_batches(parts: Sequence[Tensor]) -> float:
        batches = [images.batch(part) for part in parts]
        with autocast(images.device, config.precision):
            for batch in {len(batch): batch for batch in batches}.values():
                network(batch)  # a GPU prepares itself for each size
            start = now(images.device)
            for batch in batches:
                network(batch)
        return now(images.device) - start

    pieces = Pieces()
    pieces.count = math.ceil(len(rows) / inference_batch(images.device, images.inputs.shape[1]))
    return 1000 * pieces.fit(rows, time_batches) / len(rows)


def time_training(system: System, image_size: int, num_classes: int, device: torch.device) -> float:
    """Time a training step of a network with fresh weights, after one to warm up.

    Returns:
        Seconds an image, forwards and backwards, of a small batch.

    Raises:
        PluginError: The model is a plugin's, and failed.
    """
    with models[system.model].code():
        network = build_network(system.model, "scratch", image_size, num_classes)
        network = network.to(device).train()
        batch = torch.zeros(TIMED_BATCH, 3, image_size, image_size, device=device)
        with autocast(device, "auto"):
            network(batch).float().sum().backward()
            start = now(device)
            network(batch).float().sum().backward()
    return (now(device) - start) / TIMED_BATCH


def time_fit(system: System, num_classes: int) -> float:
    """Time the fit of a small head of this kind to few random embeddings.

    Returns:
        Seconds for each tree and image.

    Raises:
        PluginError: The head is a plugin's, and failed.
    """
    assert system.head is not None
    head, params = heads[system.head], dict(system.params)
    trees = TIMED_TREES if SIZE in params else 1
    if trees > 1:
        params[SIZE] = trees
    rng = np.random.default_rng(0)
    rows = max(TIMED_ROWS, 2 * num_classes)
    embeddings = rng.random((rows, TIMED_FEATURES), np.float32)
    labels = np.arange(rows) % num_classes
    classifier = head.make(seed=0, jobs=os.cpu_count() or 1, **params)
    start = time.perf_counter()
    fit_head(head, classifier, embeddings, labels)
    return (time.perf_counter() - start) / (rows * trees)
