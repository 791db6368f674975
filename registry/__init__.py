"""What can be benchmarked: model factories and classical heads, found by name."""

from registry.core import Registry
from registry.errors import PluginError, UserError
from registry.heads import heads, register_head
from registry.models import models, register_model
from registry.protocols import Contributions, Growth
from registry.search_space import SearchSpace, Suggest
from registry.specs import HeadSpec, InputSpec, ModelSpec
from registry.weights import PackagedWeights, TorchvisionWeights, WeightsUnavailable

__all__ = [
    "Contributions",
    "Growth",
    "HeadSpec",
    "InputSpec",
    "ModelSpec",
    "PackagedWeights",
    "PluginError",
    "Registry",
    "SearchSpace",
    "Suggest",
    "TorchvisionWeights",
    "UserError",
    "WeightsUnavailable",
    "heads",
    "models",
    "register_head",
    "register_model",
]
