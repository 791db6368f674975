"""Turns a model and a configuration into the images that its network is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmark.study.config import Config
from registry import models
from registry.specs import InputSpec


def input_of(model: str, config: Config) -> InputSpec:
    """What a model was made for; its size gives way to one that is set for all models."""
    own = models[model].input
    return own if config.data.image_size is None else replace(own, size=None)


def image_size_of(model: str, config: Config) -> int:
    """Side in pixels of the images that a model is shown."""
    return input_of(model, config).size or config.data.size


def read_input(settings: Mapping[str, Any]) -> InputSpec:
    """Read the input among a run's settings back from JSON, which knows no tuples."""
    stored = settings.get("input", {}).items()
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored}
    return InputSpec(**values)
