"""Turns ``timm:NAME`` into a model spec."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import timm
from timm.data.config import resolve_data_config
from torch import nn

from registry.core import near
from registry.errors import UserError
from registry.specs import Aspect, InputSpec, Interpolation, ModelSpec
from registry.weights import TimmWeights

PREFIX = "timm:"
_ASPECTS: dict[str, Aspect] = {"squash": "squash", "center": "crop", "border": "pad"}
"""timm's names of what becomes of a picture that is no square."""


def create(name: str, image_size: int, **options: Any) -> nn.Module:
    """Make a timm model without its classifier, for an image size if it depends on one."""
    try:
        model: nn.Module = timm.create_model(name, num_classes=0, img_size=image_size, **options)
    except TypeError:  # convolutional networks take no img_size
        model = timm.create_model(name, num_classes=0, **options)
    # Where a hidden layer follows the pooling, as in MobileNet, timm's num_features is its input.
    model.num_features = model.head_hidden_size
    return model


def timm_input(model: str) -> InputSpec:
    """What timm's pretrained weights of a model, or the model, were made for."""
    published: Any = timm.get_pretrained_cfg(model)
    resolve: Any = resolve_data_config
    config = resolve(pretrained_cfg=published.to_dict() if published else {})
    own = config["interpolation"]
    return InputSpec(
        size=config["input_size"][-1],
        aspect=_ASPECTS.get(config["crop_mode"], "crop"),
        crop=config["crop_pct"],
        interpolation=own if own in get_args(Interpolation) else "bicubic",
        mean=config["mean"],
        std=config["std"],
    )


def timm_spec(name: str) -> ModelSpec:
    """Describe any model of timm.

    Args:
        name: ``timm:NAME`` with a name of ``timm.list_models()``, or of ``timm.list_pretrained()``,
            which have tags.

    Raises:
        UserError: timm has no such model, or no such tag of it; suggests near names.
    """
    model = name.removeprefix(PREFIX)
    if not timm.is_model(model):
        raise UserError(f"timm has no model {model!r}; {near(model, timm.list_models())}")
    try:
        input_ = timm_input(model)
    except RuntimeError as error:
        tagged = timm.list_pretrained(f"{model.partition('.')[0]}.*")
        raise UserError(f"timm has no weights {model!r}; {near(model, tagged)}") from error

    def factory(image_size: int) -> nn.Module:
        return create(model, image_size)

    is_vit = timm.model_entrypoint(model).__module__.endswith("vision_transformer")
    return ModelSpec(
        name=name,
        title=f"{model} (timm)",
        factory=factory,
        schedules=("scratch", "staged", "frozen"),
        weights=TimmWeights(model=model, create=partial(create, model)),
        explanation="attention" if is_vit else "gradcam",
        input=input_,
    )
