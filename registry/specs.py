"""The two things that can be benchmarked, described by name and factory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from registry.code import module_of
from registry.core import near
from registry.errors import UserError, code_of, is_ours
from registry.protocols import Contributions, Growth
from registry.search_space import SearchSpace

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from torch import nn

    from registry.weights import Weights

Schedule = Literal["scratch", "staged", "frozen"]
Explanation = Literal["gradcam", "attention"]
FrozenClassifier = Literal["linear", "deep"]
Aspect = Literal["squash", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
T = TypeVar("T")
_BACKBONE = ("forward_features", "forward_head", "num_features")
_CLASSIFIER = ("fit", "predict_proba")
_MAX_CROP = 2


def _check_known(of: str, what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UserError(f"{of}: no {what} is called {given!r}; {near(str(given), known)}")


def _make_tuple(of: str, spec: object, name: str) -> None:
    given = getattr(spec, name)
    if not isinstance(given, Iterable):
        raise UserError(f"{of}: {name}={given!r} is not a tuple")
    object.__setattr__(spec, name, tuple(given))  # which is how a frozen dataclass sets its own


def _check_kind(of: str, name: str, given: object, example: str, members: Sequence[str]) -> None:
    if isinstance(given, type) or not all(hasattr(given, member) for member in members):
        raise UserError(f"{of}: {name}={given!r} is not valid; write {name}={example}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What images a network was made for; the defaults are the study's.

    Attributes:
        size: Side of its images in pixels; None for that of the study's, or of the preset.
        aspect: What becomes of a picture that is no square: it is squashed into one, the middle is
            cropped out of it, or it is padded with white.
        crop: Share of the picture's side that is kept, in the middle; above 1, as timm's VOLO has
            it, the picture is shrunk into a black frame.
        interpolation: By which pictures are resized.
        mean: Of each channel, RGB, of pixels in [0, 1]; subtracted before the first layer.
        std: Of each channel; divided by, after that.
    """

    size: int | None = None
    aspect: Aspect = "squash"
    crop: float = 1.0
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Check what a registration says; lists become tuples, to be hashed.

        Raises:
            UserError: A way to make squares unheard of, or numbers that make no picture.
        """
        _check_known("an input", "aspect", self.aspect, get_args(Aspect))
        _check_known("an input", "interpolation", self.interpolation, get_args(Interpolation))
        if self.size is not None and not (isinstance(self.size, int) and self.size > 0):
            raise UserError(f"an input: size={self.size!r} is no number of pixels")
        if not (_is_number(self.crop) and 0 < self.crop <= _MAX_CROP):
            raise UserError(f"an input: crop={self.crop!r} is no share, such as 0.875")
        for name in ("mean", "std"):
            _make_tuple("an input", self, name)
            values = getattr(self, name)
            if len(values) != 3 or not all(map(_is_number, values)):
                raise UserError(f"an input: {name}={values!r} is not three numbers, of RGB")
        if min(self.std) <= 0:
            raise UserError(f"an input: std={self.std!r} divides by what must be above zero")

    @property
    def is_normalized(self) -> bool:
        """Whether the first layer takes anything but pixels in [0, 1]."""
        return (self.mean, self.std) != (STUDY_INPUT.mean, STUDY_INPUT.std)


STUDY_INPUT = InputSpec()


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
        cam_layer: Dotted name of the backbone's layer for Grad-CAM; None for the last of its
            ``feature_info`` with enough places, or, where it has none, of all its layers.
        input: What images it was made for.
        frozen_classifier: What is trained on the frozen backbone: one linear layer, so that heads
            get the backbone's own features, or the study's deep head (experiment 2).
    """

    name: str
    title: str
    factory: Callable[[int], nn.Module]
    schedules: tuple[Schedule, ...] = ("scratch",)
    weights: Weights | None = None
    explanation: Explanation | None = "gradcam"
    cam_layer: str | None = None
    input: InputSpec = STUDY_INPUT
    frozen_classifier: FrozenClassifier = "linear"

    def __post_init__(self) -> None:
        """Check what a registration says; lists become tuples, to be hashed.

        Raises:
            UserError: A name that could not be typed, a schedule or explanation unheard of, an
                input or weights that are none, or what cannot be hashed, as what is remembered of
                a model needs it.
        """
        _check_name("model", self.name)
        told = f"model {self.name!r}"
        _make_tuple(told, self, "schedules")
        for schedule in self.schedules:
            _check_known(told, "schedule", schedule, get_args(Schedule))
        if self.explanation is not None:
            _check_known(told, "explanation", self.explanation, get_args(Explanation))
        _check_known(told, "frozen_classifier", self.frozen_classifier, get_args(FrozenClassifier))
        _check_kind(told, "input", self.input, "InputSpec(size=224)", ("size", "aspect"))
        if self.weights is not None:
            example = "PackagedWeights(...)"
            _check_kind(told, "weights", self.weights, example, ("installed", "load"))
        for schedule in get_args(Schedule):
            if self.name.endswith(f"-{schedule}"):
                raise UserError(f"model {self.name!r}: -{schedule} ends names of runs; rename it")
        try:
            hash(self)
        except TypeError as error:
            raise UserError(
                f"{told}: {error}; what it is made of must not change, such as dataclasses with "
                "frozen=True"
            ) from error

    @property
    def of_plugin(self) -> bool:
        """Whether a plugin registered it."""
        return not is_ours(module_of(self.factory))

    def code(self, *, called_directly: bool = True) -> AbstractContextManager[None]:
        """Name the plugin where its model fails in a ``with`` block; see `code_of`."""
        return code_of(
            f"model {self.name}", module_of(self.factory), called_directly=called_directly
        )

    def make(self, image_size: int) -> nn.Module:
        """Make a backbone with fresh weights, in evaluation or training mode as it comes.

        Args:
            image_size: Side of the images in pixels.

        Raises:
            UserError: The model does not take that size.
            PluginError: A plugin's factory failed, or what it makes is no backbone.
        """
        with self.code():
            return _promised(self.factory(image_size), _BACKBONE)


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """A classical classifier that is fitted to a backbone's embeddings.

    Attributes:
        name: Unique name.
        title: Name for people, as in the leaderboard.
        factory: ``factory(seed=…, jobs=…, **params)`` -> an unfitted scikit-learn classifier.
        grid: The parameters of each run that ``bench run --all`` makes.
        describe: Fitted classifier -> metrics of its size, such as trees and nodes.
        search_space: What `bench sweep` varies; None if it cannot be swept.
        growth: (unfitted classifier, embeddings (N, F), labels (N,), embeddings to score (V, F))
            -> a `Growth` over its ``n_estimators``; None if it has to be fitted anew for each.
        contributions: What each feature added to a class's score; None if the head has no maps.
        takes_device: Whether the factory takes ``device=…``, torch's name of where to compute.
        trusted_types: Dotted names of the types in a fitted classifier's file besides those that
            skops trusts by itself, as `skops.io.get_untrusted_types` lists them: a file that holds
            any other is not loaded, since loading calls them.
    """

    name: str
    title: str
    factory: Callable[..., ClassifierMixin]
    grid: tuple[Mapping[str, Any], ...] = ({},)
    describe: Callable[[Any], dict[str, float]] | None = None
    search_space: SearchSpace | None = None
    growth: Callable[..., Growth] | None = None
    contributions: Contributions | None = None
    takes_device: bool = False
    trusted_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what a registration says; lists become tuples.

        Raises:
            UserError: A name that could not be typed, a grid that cannot be kept, or a search space
                that is none.
        """
        _check_name("head", self.name)
        told = f"head {self.name!r}"
        for name in ("grid", "trusted_types"):
            _make_tuple(told, self, name)
        if not self.grid:
            raise UserError(f"{told}: its grid is empty; leave it out, or write ({{}},)")
        for point in self.grid:
            if not isinstance(point, Mapping):
                raise UserError(f"{told}: its grid is a tuple of dicts, not {point!r}")
            for key, value in point.items():
                if not isinstance(value, str | int | float | None):
                    raise UserError(
                        f"{told}: {key}={value!r} in its grid is no number, text, truth value or "
                        "None; make the object in the factory"
                    )
        if self.search_space is not None:
            example = "SearchSpace(suggest=..., defaults={})"
            _check_kind(told, "search_space", self.search_space, example, ("suggest", "defaults"))

    @property
    def of_plugin(self) -> bool:
        """Whether a plugin registered it."""
        return not is_ours(module_of(self.factory))

    def code(self) -> AbstractContextManager[None]:
        """Name the plugin where its classifier fails in a ``with`` block; see `code_of`."""
        return code_of(f"head {self.name}", module_of(self.factory))

    def make(self, *, seed: int, jobs: int, device: str = "cpu", **params: Any) -> ClassifierMixin:
        """Make an unfitted classifier, on a device if it can compute there.

        Raises:
            PluginError: A plugin's factory failed, or what it makes is no classifier.
        """
        where = {"device": device} if self.takes_device else {}
        with self.code():
            return _promised(self.factory(seed=seed, jobs=jobs, **where, **params), _CLASSIFIER)


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch(r"[\w.:-]+", name):
        raise UserError(f"{kind} {name!r}: a name is of letters, digits, '_', '-', '.' and ':'")


def _promised(made: T, members: Sequence[str]) -> T:
    if lacking := [member for member in members if not hasattr(made, member)]:
        raise TypeError(f"the factory makes {type(made).__name__}, which has no {lacking[0]}")
    return made
