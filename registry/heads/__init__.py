"""Classical heads by name; each file holds one head's factory, its grid and its search space."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from registry.core import Registry
from registry.plugins import plugins
from registry.protocols import Contributions, Growth
from registry.search_space import SearchSpace
from registry.specs import HeadSpec

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

BUILT_IN = ("xgboost", "random_forest", "extra_trees", "logistic_regression", "knn")
STUDY_GRID: tuple[Mapping[str, Any], ...] = (
    {"n_estimators": 100, "max_depth": 10},
    {"n_estimators": 200, "max_depth": 16},
    {"n_estimators": 300, "max_depth": 24},
)
"""The three settings that the study tried for each tree head."""

F = TypeVar("F", bound="Callable[..., ClassifierMixin]")


def load_heads() -> None:
    """Register the built-in heads."""
    for module in BUILT_IN:
        importlib.import_module(f"registry.heads.{module}")


heads: Registry[HeadSpec] = Registry("head", plugins.load)


class HeadParts(TypedDict, total=False):
    """What a head may have besides its factory; see `HeadSpec`."""

    grid: tuple[Mapping[str, Any], ...]
    describe: Callable[[Any], dict[str, float]]
    search_space: SearchSpace
    growth: Callable[..., Growth]
    contributions: Contributions
    takes_device: bool
    trusted_types: tuple[str, ...]


def register_head(name: str, *, title: str, **parts: Unpack[HeadParts]) -> Callable[[F], F]:
    """Register a factory of scikit-learn classifiers; see `HeadSpec` for the arguments.

    Raises:
        UserError: The name is taken.
    """

    def register(factory: F) -> F:
        heads.add(HeadSpec(name=name, title=title, factory=factory, **parts))
        return factory

    return register
