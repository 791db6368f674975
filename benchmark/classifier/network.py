"""Turns a completed run's kept weights into its trained network."""

from __future__ import annotations

from functools import lru_cache

import torch
from safetensors.torch import load_file

from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.writer import Tracker
from benchmark.training.network import Network, build_network

WEIGHTS_FILE = "weights.safetensors"


@lru_cache(maxsize=1)
def load_network(
    tracker: Tracker, run_id: str, system: System, data: DataSpec, device: torch.device
) -> Network:
    """Load a network, once for all heads that follow each other on it.

    Args:
        tracker: Of the store.
        run_id: A completed run that kept its weights.
        system: What the run trained.
        data: On which images.
        device: Where to.

    Returns:
        The network, in evaluation mode.
    """
    network = build_network(system.model, system.schedule, data.image_size, data.num_classes)
    network.load_state_dict(load_file(tracker.download(run_id, WEIGHTS_FILE)))
    return network.eval().to(device)
