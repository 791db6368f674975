"""Turns a recipe into the optimizer of a network, the course of its rate and its moving average."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from benchmark.study.config import TrainConfig
from benchmark.study.recipe import LrSchedule
from benchmark.training.network import Network

_Kind = TypeVar("_Kind", bound=Optimizer)
_METHODS = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")
"""Those that torch keeps its compiler out of."""


def _uncompiled(kind: type[_Kind]) -> type[_Kind]:
    """The same optimizer, whose methods do not import torch's compiler to be kept out of it.

    That takes half as long as the import of torch, and nothing here compiles an optimizer.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _METHODS}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(methods["step"])})


_FUSED: dict[str, Callable[..., Optimizer]] = {
    "adam": _uncompiled(Adam),
    "adamw": _uncompiled(AdamW),
    "sgd": partial(_uncompiled(SGD), momentum=0.9, nesterov=True),  # as timm makes it
}
"""Optimizers of torch's own, which take a step for all weights at once."""
_STORED = (0, 2, 3, 1)
"""Axes of channels-last weights in the order of memory."""


def make_optimizer(network: Network, config: TrainConfig) -> Optimizer:
    """Make the optimizer of all weights of a network; those without a gradient stay as they are.

    Gradients are to be cleared by the network, since the optimizer may hold views of its weights.
    """
    groups = parameter_groups(network, config)
    views: list[tuple[nn.Parameter, nn.Parameter]] = []
    optimizer: Optimizer
    if fused := _FUSED.get(config.optimizer):
        for group in groups:
            group["params"] = [_as_stored(parameter, views) for parameter in group["params"]]
        optimizer = fused(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    else:
        from timm.optim import create_optimizer_v2  # slow to import

        optimizer = create_optimizer_v2(
            groups, opt=config.optimizer, lr=config.lr, weight_decay=config.weight_decay
        )

    def hand_over(*_: object) -> None:
        for view, parameter in views:
            view.grad = None if parameter.grad is None else parameter.grad.permute(_STORED)

    optimizer.register_step_pre_hook(hand_over)
    if config.optimizer == "sgd":
        optimizer.register_step_pre_hook(_begin_momentum)
    return optimizer


def _begin_momentum(optimizer: Optimizer, *_: object) -> None:
    """Begin with none, as torch does: its fused step takes a group's weights as equally far.

    Those of a backbone that is unfrozen are not.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = optimizer.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter.grad)


def _as_stored(
    parameter: nn.Parameter, views: list[tuple[nn.Parameter, nn.Parameter]]
) -> nn.Parameter:
    """The weights as they lie in memory: torch's fused step turns all others around and back.

    On a processor that took an eighth of ResNet-18's training at 64 pixels.
    """
    if parameter.device.type != "cpu" or parameter.is_contiguous() or parameter.ndim != 4:
        return parameter
    view = nn.Parameter(parameter.data.permute(_STORED))
    views.append((view, parameter))
    return view


def parameter_groups(network: Network, config: TrainConfig) -> list[dict[str, Any]]:
    """Divide the weights by their rate and weight decay.

    With ``layer_decay``, norms and biases are never decayed, as in timm.
    """
    decay = config.weight_decay
    groups: list[dict[str, Any]]
    if config.layer_decay < 1:
        from timm.optim import param_groups_layer_decay

        groups = param_groups_layer_decay(network, decay, layer_decay=config.layer_decay)
    elif not config.decay_norms:
        from timm.optim import param_groups_weight_decay

        groups = param_groups_weight_decay(network, decay)
    else:
        groups = [{"params": list(network.parameters()), "weight_decay": decay}]
    in_backbone = {id(parameter) for parameter in network.backbone.parameters()}
    divided: list[dict[str, Any]] = []
    for group in groups:
        lr = config.lr * group.pop("lr_scale", 1.0)
        parameters = list(group.pop("params"))
        if config.backbone_lr == 1:
            divided.append({**group, "params": parameters, "lr": lr})
            continue
        for inside, factor in ((True, config.backbone_lr), (False, 1.0)):
            chosen = [one for one in parameters if (id(one) in in_backbone) == inside]
            if chosen:
                divided.append({**group, "params": chosen, "lr": lr * factor})
    return divided


class Course:
    """A stage's way through its steps: clipped gradients, a rate that rises and falls, an average.

    Attributes:
        kept: What is validated and kept: the module, or the moving average of its weights.
    """

    def __init__(
        self, optimizer: Optimizer, module: nn.Module, config: TrainConfig, steps: int
    ) -> None:
        """Begin with the first step.

        Args:
            optimizer: Whose rates rise linearly, then stay or fall to zero along half a cosine.
            module: What is trained.
            config: The recipe.
            steps: Of the whole stage.
        """
        self._optimizer = optimizer
        self._module = module
        self._clip_norm = config.clip_norm
        self._done, self._steps = 0, steps
        rising = round(config.warmup * steps)
        self._schedule = LambdaLR(
            optimizer, partial(rate, rising=rising, steps=steps, course=config.lr_schedule)
        )
        self._ema: Any = None
        self.kept = module
        if config.ema:
            from timm.utils import ModelEmaV3

            # The warm-up keeps the first, random weights out of the average.
            self._ema = ModelEmaV3(module, decay=config.ema, use_warmup=True)
            self.kept = self._ema.module

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self._done / self._steps

    def step(self) -> None:
        """Change the weights by their gradients."""
        if self._clip_norm is not None:
            clip_grad_norm_(self._module.parameters(), self._clip_norm)
        self._optimizer.step()
        self._schedule.step()
        self._done += 1
        if self._ema is not None:
            self._ema.update(self._module, step=self._done)

    def state(self) -> dict[str, Any]:
        """How far it is, besides the module's and the optimizer's own states."""
        average = None if self._ema is None else self._ema.module.state_dict()
        return {"done": self._done, "rate": self._schedule.state_dict(), "average": average}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._done = state["done"]
        self._schedule.load_state_dict(state["rate"])
        if self._ema is not None:
            self._ema.module.load_state_dict(state["average"])


def rate(step: int, *, rising: int, steps: int, course: LrSchedule) -> float:
    """The learning rate of a step, from 0, as a share of the highest."""
    if step < rising:
        return (step + 1) / (rising + 1)
    if course == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
