"""Network backbones by name; each file holds the layers of one architecture family.

Names and what is said of them must be there at once, PyTorch takes seconds to import: so the
factories stand apart from the layers, in ``study.py`` and ``beyond.py``, and import them when
called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

from registry.core import Registry
from registry.plugins import plugins
from registry.specs import Explanation, FrozenClassifier, InputSpec, ModelSpec, Schedule

if TYPE_CHECKING:
    from torch import nn

    from registry.weights import Weights

BUILT_IN = ("study", "beyond")
F = TypeVar("F", bound="Callable[[int], nn.Module]")


def load_models() -> None:
    """Register the built-in models."""
    for module in BUILT_IN:
        importlib.import_module(f"registry.models.{module}")


def _resolve(name: str) -> ModelSpec | None:
    from registry.models.timm_zoo import PREFIX, timm_spec

    return timm_spec(name) if name.startswith(PREFIX) else None


models: Registry[ModelSpec] = Registry("model", plugins.load, _resolve)


class ModelParts(TypedDict, total=False):
    """What a model may have besides its factory; see `ModelSpec`."""

    schedules: tuple[Schedule, ...]
    weights: Weights
    explanation: Explanation | None
    cam_layer: str
    input: InputSpec
    frozen_classifier: FrozenClassifier


def register_model(name: str, *, title: str, **parts: Unpack[ModelParts]) -> Callable[[F], F]:
    """Register a factory of backbones; see `ModelSpec` for the arguments.

    Raises:
        UserError: The name is taken.
    """

    def register(factory: F) -> F:
        models.add(ModelSpec(name=name, title=title, factory=factory, **parts))
        return factory

    return register
