"""Turns a trained network and examples into features, embeddings and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from benchmark.processes.permissions import usual_permissions
from benchmark.study.config import TrainConfig
from benchmark.training.devices import autocast
from benchmark.training.images import Examples, batches
from benchmark.training.memory import Pieces
from benchmark.training.network import Network

EMBEDDINGS_FILE = "embeddings.safetensors"
CACHED_PIXELS = 2**19
"""Of the images whose feature maps a processor's caches may hold."""


def inference_batch(device: torch.device, image_size: int) -> int:
    """How many images go through a network at once: on a processor few, which its caches hold.

    At 224 pixels 8 to 10 images of EfficientNet-Lite0 take a third less time each than 32.

    Args:
        device: Where.
        image_size: Side of an image in pixels.
    """
    if device.type != "cpu":
        return 128
    return max(1, min(32, CACHED_PIXELS // image_size**2))


@torch.inference_mode()
def map_examples(
    function: Callable[[Tensor], Tensor], examples: Examples, rows: Tensor, config: TrainConfig
) -> Tensor:
    """Apply a function to the inputs of rows, batch by batch.

    Args:
        function: Inputs on the device -> a tensor with a row for each of them.
        examples: Where the inputs come from.
        rows: Which.
        config: For the precision.

    Returns:
        The results in the order of the rows, float32, on the device.
    """

    def map_pieces(pieces: Sequence[Tensor]) -> Tensor:
        with autocast(examples.device, config.precision):
            return torch.cat([function(examples.batch(piece)).float() for piece in pieces])

    pieces = Pieces()
    size = inference_batch(examples.device, examples.inputs.shape[1] if examples.are_images else 1)
    return torch.cat([pieces.fit(batch, map_pieces) for batch in batches(rows, size)])


def pool_examples(network: Network, images: Examples, config: TrainConfig) -> Examples:
    """Run a frozen backbone once over all images.

    Returns:
        Examples whose inputs are the pooled features (N, num_features).
    """
    rows = torch.arange(len(images.inputs))
    return images.with_inputs(pool_rows(network, images, rows, config))


def pool_rows(network: Network, images: Examples, rows: Tensor, config: TrainConfig) -> Tensor:
    """Run a frozen backbone over the images of some rows -> (len(rows), num_features)."""
    network.eval()
    features = map_examples(network.pool, images, rows, config)
    return features.clone()  # which may take part in autograd


def embed(
    network: Network, examples: Examples, rows: Tensor, config: TrainConfig
) -> NDArray[np.float32]:
    """Compute embeddings, which are the input of the network's last linear layer.

    Args:
        network: Trained.
        examples: Images, or the pooled features of this network's backbone.
        rows: Which.
        config: For the precision.

    Returns:
        (N, 256) for a deep classifier, (N, num_features) for a linear one.
    """
    network.eval()
    function = network.embed if examples.are_images else network.classifier[:-1]
    embeddings: NDArray[np.float32] = map_examples(function, examples, rows, config).cpu().numpy()
    return embeddings


@torch.inference_mode()
def classify(network: Network, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn embeddings into class probabilities (N, C) by the network's last linear layer."""
    last = network.classifier[-1]
    device = next(last.parameters()).device
    logits = last(torch.from_numpy(embeddings).to(device))
    probabilities: NDArray[np.float32] = logits.softmax(1).cpu().numpy()
    return probabilities


def save_embeddings(path: Path, embeddings: NDArray[np.float32], inference_ms: float) -> None:
    """Store the embeddings of all rows (N, F) and what an image's embedding costs (ms)."""
    with usual_permissions(path):
        save_file({"embeddings": embeddings}, path, metadata={"inference_ms": str(inference_ms)})


def load_embeddings(path: Path) -> tuple[NDArray[np.float32], float]:
    """Read what `save_embeddings` stored.

    Raises:
        Exception: Of several kinds: it is another file.
    """
    with safe_open(path, framework="numpy") as file:
        embeddings, metadata = file.get_tensor("embeddings"), file.metadata() or {}
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings have 2 dimensions, not {embeddings.ndim}")
    return embeddings, float(metadata["inference_ms"])
