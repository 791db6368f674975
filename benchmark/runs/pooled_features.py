"""Turns a frozen backbone and its images into pooled features, computed once for all repeats."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmark.data.cache import cache_folder
from benchmark.processes.leftovers import unfinished
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec, content_hash
from benchmark.training.devices import hardware, now
from benchmark.training.images import Examples
from benchmark.training.inference import pool_examples
from benchmark.training.network import Network
from registry import models

FEATURES_VERSION = 1
"""Raise it when the same backbone would give other features of the same images."""
_PACKAGES = ("torch", "timm", "torchvision")
"""Whose code computes them."""


def pooled_features(
    spec: RunSpec, options: RunOptions, network: Network, images: Examples
) -> tuple[Examples, float]:
    """Pool what a frozen backbone says of all images, or take what was stored of the same before.

    A backbone whose weights depend on the seed shares nothing: the weights are part of the name.
    A plugin's code may change under the same weights, so that its features are not stored.

    Args:
        spec: The network's run.
        options: For the folder and the device.
        network: On the device, with its weights.
        images: All rows.

    Returns:
        Examples whose inputs are the features (N, num_features), and the seconds that computing
        them took, whenever that was.
    """
    if models[spec.system.model].of_plugin:
        return _computed(spec, network, images)
    file = options.home / "features" / f"{_name(spec, options, network, images)}.safetensors"
    if not file.exists():
        features, seconds = _computed(spec, network, images)
        cache_folder(options.home, "features")
        with unfinished(file) as path:
            save_file({"features": features.inputs.cpu()}, path, metadata={"seconds": str(seconds)})
        return features, seconds
    return _read(file, images)


def _computed(spec: RunSpec, network: Network, images: Examples) -> tuple[Examples, float]:
    start = now(images.device)
    features = pool_examples(network, images, spec.train)
    return features, now(images.device) - start


def _read(file: Path, images: Examples) -> tuple[Examples, float]:
    with safe_open(file, framework="pt") as opened:
        features = opened.get_tensor("features").to(images.device)
        seconds = float(opened.metadata()["seconds"])
    return images.with_inputs(features), seconds


def _name(spec: RunSpec, options: RunOptions, network: Network, images: Examples) -> str:
    """Hash of all that the features depend on, to the last bit."""
    weights = hashlib.sha256()
    for name, tensor in sorted(network.backbone.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return content_hash(
        FEATURES_VERSION,
        weights.hexdigest(),
        spec.system.model,
        spec.data.fingerprint,
        spec.image_size,
        asdict(spec.input),
        spec.train.precision,
        network.test_flip,
        hardware(images.device),
        options.threads,
        [version(package) for package in _PACKAGES],
    )
