"""Network backbones by name; each file holds the layers of one architecture family.

Names and what is said of them must be there at once, PyTorch takes seconds to import: so the
study's factories stand apart from the layers, in ``study.py``, and import them when called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from registry.core import Registry, load_plugins
from registry.specs import Explanation, ModelSpec, Schedule

if TYPE_CHECKING:
    from torch import nn

    from registry.weights import Weights

F = TypeVar("F", bound="Callable[[int], nn.Module]")


def _load() -> None:
    importlib.import_module("registry.models.study")
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
        UserError: The name is taken.
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
