"""Turns the spec of a network's run into the network with the weights that it starts from."""

from __future__ import annotations

import textwrap

import torch

from benchmark.classifier.network import read_weights
from benchmark.runs.options import RunOptions
from benchmark.study.expansion import file_id
from benchmark.study.plan import RunSpec
from benchmark.tracking.tracked_run import Skipped
from benchmark.tracking.writer import Tracker
from benchmark.training.network import Network, build_network
from registry import WeightsUnavailable, models
from registry.weights import StateDict

_BACKBONE = "backbone."


def start_network(spec: RunSpec, options: RunOptions, tracker: Tracker) -> Network:
    """Build a network with fresh weights from the spec's seed, or with pretrained ones.

    Args:
        spec: What to train; what it needs is completed.
        options: Where the user keeps pretrained weights.
        tracker: Finds the run that pretrained the weights.

    Raises:
        Skipped: Pretrained weights cannot be had.
    """
    if spec.weights == "demo" and spec.pretraining_id is None:
        raise Skipped(
            f"{spec.system.model} learns nothing from a few drawn species; with ImageNet weights: "
            "--weights imagenet, or --weights DIR (--set 'pretrain.models=*' tries it all the same)"
        )
    torch.manual_seed(spec.seed)
    system, size = spec.system, spec.image_size
    source = models[system.model].weights
    if spec.weights == "imagenet" and source is None:
        raise Skipped(
            f"{system.model} has no ImageNet weights to start from; type: --weights demo, or name "
            "some where it is registered: weights=..."
        )
    network = build_network(system.model, system.schedule, size, spec.data.num_classes, spec.input)
    network.test_flip = spec.train.test_flip
    if spec.weights == "imagenet" and source is not None:
        if file_id(spec, options.weights_folder) != spec.weights_id:
            raise Skipped(
                f"the weights of {system.model} in {options.weights_folder} are not those that "
                "this was planned with; put the same file there on each machine"
            )
        try:
            state = source.load(size, options.weights_folder)
        except WeightsUnavailable as error:
            raise Skipped(str(error)) from error
        try:
            network.backbone.load_state_dict(state)
        except RuntimeError as error:
            told = " ".join(str(error).splitlines()[1:])  # the first line is a heading
            reason = textwrap.shorten(told, 160, placeholder=" …")
            raise Skipped(f"the weights do not fit {system.model}: {reason}") from error
    elif spec.weights == "demo":
        network.backbone.load_state_dict(_demo_weights(spec, tracker))
    return network


def _demo_weights(spec: RunSpec, tracker: Tracker) -> StateDict:
    assert spec.pretraining_id is not None
    run_id = tracker.find_completed({"spec_id": spec.pretraining_id, "weights_file": "kept"})
    assert run_id is not None, f"{spec.name} was started before its pretraining"
    state = read_weights(tracker, run_id)
    return {
        name.removeprefix(_BACKBONE): tensor
        for name, tensor in state.items()
        if name.startswith(_BACKBONE)
    }
