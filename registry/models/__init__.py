"""Network backbones by name; each file holds one architecture family."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from registry.core import Registry, load_plugins
from registry.specs import Explanation, ModelSpec, Schedule

if TYPE_CHECKING:
    from torch import nn

    from registry.weights import Weights

BUILT_IN = ("basic_cnn", "residual_cnn", "convmixer", "resnet", "vit")

F = TypeVar("F", bound="Callable[[int], nn.Module]")


def _load() -> None:
    for module in BUILT_IN:
        importlib.import_module(f"registry.models.{module}")
    load_plugins()


def _resolve(name: str) -> ModelSpec | None:
    from registry.models.timm_zoo import PREFIX, timm_spec

    return timm_spec(name) if name.startswith(PREFIX) else None


models: Registry[ModelSpec] = Registry("model", _load, _resolve)


def register_model(
    name: str,
    *,
    title: str,
    schedules: tuple[Schedule, ...] = ("scratch",),
    weights: Weights | None = None,
    explanation: Explanation | None = "gradcam",
    cam_layer: str | None = None,
) -> Callable[[F], F]:
    """Register a factory of backbones; see `ModelSpec` for the arguments.

    Raises:
        ValueError: The name is taken.
    """

    def register(factory: F) -> F:
        models.add(
            ModelSpec(
                name=name,
                title=title,
                factory=factory,
                schedules=schedules,
                weights=weights,
                explanation=explanation,
                cam_layer=cam_layer,
            )
        )
        return factory

    return register
