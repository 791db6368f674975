"""Turns what a completed run kept, weights and embeddings, into a network and an array."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from benchmark.classifier.record import Record, read_record
from benchmark.tracking.writer import Tracker
from benchmark.training.inference import EMBEDDINGS_FILE, load_embeddings
from benchmark.training.network import Network, build_network
from registry.weights import StateDict

WEIGHTS_FILE = "weights.safetensors"


def read_weights(tracker: Tracker, run_id: str) -> StateDict:
    """Read the weights that a completed run kept.

    Raises:
        UserError: They are gone, or the file is another one.
    """
    with tracker.artifact(run_id, WEIGHTS_FILE) as file:
        return load_file(file)


def read_embeddings(tracker: Tracker, run_id: str) -> tuple[NDArray[np.float32], float]:
    """Read the embeddings of all images (N, F) that a run kept, and what one's costs (ms).

    Raises:
        UserError: They are gone, or the file is another one.
    """
    with tracker.artifact(run_id, EMBEDDINGS_FILE) as file:
        return load_embeddings(file)


@lru_cache(maxsize=1)
def load_network(tracker: Tracker, run_id: str, device: torch.device) -> Network:
    """Load a network, once for all heads that follow each other on it.

    Args:
        tracker: Of the store.
        run_id: A completed run that kept its weights.
        device: Where to.

    Returns:
        The network, in evaluation mode.

    Raises:
        UserError: Its record or its weights are gone, or they are those of another network.
    """
    record = read_record(tracker, run_id)
    with tracker.artifact(run_id, WEIGHTS_FILE) as file:
        network = read_network(file, record)
    return network.to(device)


def read_network(file: Path, record: Record) -> Network:
    """Build a network, in evaluation mode, with the weights of a file.

    Args:
        file: The weights.
        record: Of its run, or of a head's on it; the registry may say something else by now.

    Raises:
        Exception: Of several kinds: the weights are those of another network, or damaged.
    """
    system, shape = record.system, (record.image_size, record.data.num_classes)
    network = build_network(system.model, system.schedule, *shape, record.input)
    network.test_flip = record.test_flip
    weights = load_file(file)
    if broken := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        raise ValueError(f"damaged: {broken[0]} is not finite")
    network.load_state_dict(weights)
    return network.eval()
