"""Turns a frozen backbone and images into pooled features, computed once for each image."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from benchmark.data.cache import cache_folder, read_kept
from benchmark.data.image_store import Sample
from benchmark.processes.leftovers import unfinished
from benchmark.processes.permissions import usual_permissions
from benchmark.runs.options import RunOptions
from benchmark.study.plan import RunSpec, content_hash
from benchmark.training.devices import hardware, now
from benchmark.training.images import Examples
from benchmark.training.inference import pool_examples, pool_rows
from benchmark.training.network import Network
from registry import models

FEATURES_VERSION = 1
"""Raise it when the same backbone would give other features of the same images."""
_PACKAGES = ("torch", "timm", "torchvision")
"""Whose code computes them."""
logger = logging.getLogger(__name__)


def pooled_features(
    spec: RunSpec,
    options: RunOptions,
    network: Network,
    images: Examples,
    samples: Sequence[Sample],
) -> tuple[Examples, float]:
    """Pool what a frozen backbone says of all images, those apart of which it was stored before.

    A backbone whose weights depend on the seed shares nothing: the weights are part of the name.
    A plugin's code may change under the same weights, so that its features are not stored.

    Args:
        spec: The network's run.
        options: For the folder and the device.
        network: On the device, with its weights.
        images: All rows.
        samples: Their files; those of other data with the same content share their features.

    Returns:
        Examples whose inputs are the features (N, num_features), and the seconds that computing
        them took, whenever that was.
    """
    if models[spec.system.model].of_plugin:
        start = now(images.device)
        return pool_examples(network, images, spec.train), now(images.device) - start
    digests = [sample.digest for sample in samples]
    name = _name(spec, options, network, images)
    folder = options.home / "features"
    file = folder / f"{name}-{spec.data.fingerprint}.safetensors"
    known = _Known({*digests})
    read_kept(file, known.read)
    if not file.exists():
        for stored in sorted(folder.glob(f"{name}-*.safetensors")):
            read_kept(stored, known.read)
    start = now(images.device)
    if new := [row for row, digest in enumerate(digests) if digest not in known.features]:
        pooled = pool_rows(network, images, torch.tensor(new), spec.train).cpu()
        known.features |= zip((digests[row] for row in new), pooled, strict=True)
        known.seconds += now(images.device) - start
    features = torch.stack([known.features[digest] for digest in digests])
    if not file.exists():
        told = {"seconds": str(known.seconds), "digests": " ".join(digests)}
        try:
            cache_folder(options.home, "features")
            with unfinished(file) as path, usual_permissions(path):
                save_file({"features": features}, path, metadata=told)
        except (OSError, SafetensorError) as error:  # the second, such as of a full disk
            logger.warning("%s cannot be written (%s): the run goes on without", file, error)
    return images.with_inputs(features.to(images.device)), known.seconds


class _Known:
    """Features of images that were stored, and the seconds that these took."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self.features: dict[str, Tensor] = {}
        self.seconds = 0.0

    def read(self, file: Path) -> None:
        """Take those of the wanted images that are not known yet out of a file."""
        with safe_open(file, framework="pt") as opened:
            told = opened.metadata() or {}
            digests = told["digests"].split()
            features = opened.get_tensor("features")
            seconds = float(told["seconds"])
        if len(digests) != len(features):
            raise ValueError(f"{len(features)} features of {len(digests)} images")
        rows = {digest: row for row, digest in enumerate(digests)}
        found = self._wanted & (rows.keys() - self.features.keys())
        self.features |= {digest: features[rows[digest]] for digest in found}
        self.seconds += seconds * len(found) / len(rows)


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
        spec.image_size,
        asdict(spec.input),
        spec.train.precision,
        network.test_flip,
        hardware(images.device),
        options.threads,
        [version(package) for package in _PACKAGES],
    )
