"""Weights that a network cannot start from cost its run, in one line, and no traceback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch

from benchmark.study.config import Config
from benchmark.tracking.store import Store
from registry import models
from registry.weights import StateDict
from tests.studies import run


class Others:
    """Weights of another model."""

    installed: ClassVar[bool] = True

    def load(self, image_size: int, folder: Path | None) -> StateDict:
        return {"conv.weight": torch.ones(3)}


def test_a_network_without_weights_is_not_frozen_at_random(config: Config, store: Store) -> None:
    """It would stand in the table as one that was pretrained on ImageNet."""
    models.add(replace(models["convmixer"], name="bare", schedules=("scratch", "frozen")))
    try:
        imagenet = config.model_copy(update={"weights": "imagenet"})
        outcome = run(imagenet, "bare-frozen")["bare-frozen"]
    finally:
        models.remove("bare")
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("bare has no ImageNet weights to start from; type: --weights")


def test_a_pretraining_that_diverges_names_its_own_rate(config: Config, store: Store) -> None:
    def factory(image_size: int) -> torch.nn.Module:
        network = models["basic_cnn"].factory(image_size)
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        return network

    models.add(replace(models["basic_cnn"], name="nan", schedules=("frozen",), factory=factory))
    try:
        outcome = run(config, "nan-frozen")["nan-pretrained"]
    finally:
        models.remove("nan")
    assert outcome.reason.endswith(f"--set pretrain.lr={config.pretrain.lr / 10:g}")


def test_weights_of_another_model_skip_the_run_in_one_line(config: Config, store: Store) -> None:
    odd = replace(
        models["convmixer"], name="odd", schedules=("scratch", "frozen"), weights=Others()
    )
    models.add(odd)
    try:
        outcome = run(config, "odd-frozen")["odd-frozen"]
    finally:
        models.remove("odd")
    assert outcome.status == "skipped"
    assert outcome.reason.startswith("the weights do not fit odd: Missing key(s)")
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 300
