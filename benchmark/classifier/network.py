"""Turns what a completed run kept, weights and embeddings, into a network and an array."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from benchmark.study.suite import System
from benchmark.tracking.writer import Tracker
from benchmark.training.inference import EMBEDDINGS_FILE, load_embeddings
from benchmark.training.network import Network, build_network
from registry.specs import InputSpec
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
def load_network(
    tracker: Tracker,
    run_id: str,
    system: System,
    shape: tuple[int, int],
    device: torch.device,
    input_: InputSpec,
) -> Network:
    """Load a network, once for all heads that follow each other on it.

    Args:
        tracker: Of the store.
        run_id: A completed run that kept its weights.
        system: What the run trained.
        shape: Side of its images in pixels, and the number of its classes.
        device: Where to.
        input_: As what the run was shown its images.

    Returns:
        The network, in evaluation mode.

    Raises:
        UserError: Its weights are gone, or those of another network.
    """
    params = tracker.client.get_run(run_id).data.params
    with tracker.artifact(run_id, WEIGHTS_FILE) as file:
        test_flip = params.get("train.test_flip") == "True"
        return read_network(file, system, shape, input_, test_flip=test_flip).to(device)


def read_network(
    file: Path,
    system: System,
    shape: tuple[int, int],
    input_: InputSpec,
    *,
    test_flip: bool = False,
) -> Network:
    """Build a network, in evaluation mode, with the weights of a file.

    Args:
        file: The weights.
        system: What was trained.
        shape: Side of its images in pixels, and the number of its classes.
        input_: As what it was shown them: the registry may say something else by now.
        test_flip: Whether it sees images once more in the mirror.

    Raises:
        Exception: Of several kinds: the weights are those of another network.
    """
    network = build_network(system.model, system.schedule, *shape, input_)
    network.test_flip = test_flip
    network.load_state_dict(load_file(file))
    return network.eval()
