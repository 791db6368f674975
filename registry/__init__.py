"""What can be benchmarked: model factories and classical heads, found by name."""

from registry.core import Registry
from registry.heads import heads, register_head
from registry.models import models, register_model
from registry.specs import HeadSpec, ModelSpec
from registry.weights import TorchvisionWeights, WeightsUnavailable

__all__ = [
    "HeadSpec",
    "ModelSpec",
    "Registry",
    "TorchvisionWeights",
    "WeightsUnavailable",
    "heads",
    "models",
    "register_head",
    "register_model",
]
