"""Turns the fields of the configuration into what people read of them: range and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from benchmark.study.config import Config, setting_keys


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What ``--set`` takes.

    Attributes:
        key: Such as ``train.epochs``.
        range: The values that it takes, in words.
        meaning: What it does.
    """

    key: str
    range: str
    meaning: str


def settings() -> list[Setting]:
    """List all settings, in the order of the configuration."""
    return [
        Setting(key=key, range=range_of(key), meaning=_field(key).description or "")
        for key in setting_keys()
    ]


def _field(key: str) -> FieldInfo:
    *sections, name = key.split(".")
    section: type[BaseModel] = Config
    for part in sections:
        inner = section.model_fields[part].annotation
        assert isinstance(inner, type)
        section = inner
    return section.model_fields[name]


def range_of(key: str) -> str:
    """The values that a setting takes, such as ``1 to 4096, or none``."""
    field = _field(key)
    union = get_args(field.annotation) if get_origin(field.annotation) is not Literal else ()
    kinds = [kind for kind in union if kind is not NoneType] or [field.annotation]
    values = _values(kinds[0], field.metadata)
    return f"{values}, or none" if NoneType in union else values


def _values(kind: Any, bounds: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if kind is bool:
        return "true, false"
    low, high = "", ""
    for bound in bounds:
        match bound:
            case Ge(ge=value):
                low = _number(value)
            case Gt(gt=value):
                low = f"above {_number(value)}"
            case Le(le=value):
                high = _number(value)
            case Lt(lt=value):
                high = f"below {_number(value)}"
    if not low:
        return "text"
    return f"{low} to {high}" if high else f"from {low}"


def _number(value: Any) -> str:
    return f"{value:,.10g}"
