"""The two things that can be benchmarked, described by name and factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from torch import nn

    from registry.weights import Weights

Schedule = Literal["scratch", "staged", "frozen"]
Explanation = Literal["gradcam", "attention"]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network without its classifier.

    Attributes:
        name: Unique name, as in ``bench run NAME``.
        title: Name for people, as in the leaderboard.
        factory: ``image_size`` in pixels -> a backbone in timm's vocabulary:
            ``forward_features(x)``, ``forward_head(x, pre_logits=True)`` -> (N, ``num_features``).
        schedules: How it is trained by ``bench run --all``: from scratch, staged, frozen.
        weights: Where its ImageNet weights come from; None if there are none.
        explanation: How its decisions are shown; None if they are not.
        cam_layer: Dotted name of the backbone's layer for Grad-CAM; None for the last convolution.
    """

    name: str
    title: str
    factory: Callable[[int], nn.Module]
    schedules: tuple[Schedule, ...] = ("scratch",)
    weights: Weights | None = None
    explanation: Explanation | None = "gradcam"
    cam_layer: str | None = None


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """A classical classifier that is fitted to a backbone's embeddings.

    Attributes:
        name: Unique name.
        title: Name for people, as in the leaderboard.
        factory: ``factory(seed=…, jobs=…, **params)`` -> an unfitted scikit-learn classifier.
        grid: The parameters of each run that ``bench run --all`` makes.
        describe: Fitted classifier -> metrics of its size, such as trees and nodes.
    """

    name: str
    title: str
    factory: Callable[..., ClassifierMixin]
    grid: tuple[Mapping[str, Any], ...] = ({},)
    describe: Callable[[Any], dict[str, float]] | None = None
