"""A classifier that tells colours apart without training, and a server of it."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import uvicorn
from PIL import Image
from torch import Tensor, nn

from benchmark.classifier.calibration import Calibration
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.explain.explainers import NetworkExplainer
from benchmark.pages.classifier_app import classifier_app
from benchmark.training.network import Network
from registry.specs import STUDY_INPUT, ModelSpec

CLASSES = ["red", "green", "<b>blue</b>"]
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "<b>blue</b>": (40, 40, 220)}
SIZE = 32


class _Channels(nn.Module):
    """Means of the three channels, by patches."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 3, 4, stride=4, bias=False)
        weight = torch.zeros(3, 3, 4, 4)
        for channel in range(3):
            weight[channel, channel] = 1 / 16
        self.patches.weight.data = weight

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.patches(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean((2, 3))


def colour_classifier() -> TrackedClassifier:
    """Red, green and blue; pictures of no colour are unknown to it."""
    last = nn.Linear(3, 3)
    last.weight.data = 12 * torch.eye(3)
    last.bias.data.zero_()
    network = Network(_Channels(), nn.Sequential(last)).eval()
    model = ModelSpec(name="channels", title="Channels", factory=lambda size: _Channels())
    sure = np.linspace(0, 0.2, 99)
    return TrackedClassifier(
        name="channels-scratch",
        make_explainer=lambda: NetworkExplainer(network, model),
        network=network,
        head=None,
        class_names=CLASSES,
        image_size=SIZE,
        input=STUDY_INPUT,
        precision="float32",
        device=torch.device("cpu"),
        calibration=Calibration(temperature=1.0, strangeness=sure, misfit=sure),
    )


def picture(colour: tuple[int, int, int], format_: str = "PNG", seed: int = 0) -> bytes:
    """A noisy file of one colour."""
    noise = np.random.default_rng(seed).normal(0, 20, (40, 50, 3))
    pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_)
    return file.getvalue()


@contextmanager
def served(classifier: TrackedClassifier) -> Iterator[str]:
    """The address of a server that answers during the ``with`` block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(classifier_app(classifier), log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
