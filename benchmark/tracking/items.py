"""What a run says of itself, item by item; the writer turns a stream of them into an MLflow run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Param:
    """A setting of the run."""

    name: str
    value: Any


@dataclass(frozen=True)
class Metric:
    """A figure, at an epoch or for the whole run."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Tag:
    """A word about the run."""

    name: str
    value: str


@dataclass(frozen=True)
class Artifact:
    """A file, or a folder with its content, to be stored under a folder of the run."""

    path: Path
    folder: str | None = None


@dataclass(frozen=True)
class LoggedImage:
    """A picture that MLflow shows beside those of the same key in other runs.

    Attributes:
        key: ASCII letters, digits, ``_``, ``-``, ``.``, spaces and ``/``.
        image: The picture.
    """

    key: str
    image: Image


@dataclass(frozen=True)
class Banner:
    """A picture among the run's artifacts that MLflow shows above the run's description.

    Attributes:
        file: Its path in the run.
        title: What it shows, in plain words.
    """

    file: str
    title: str


LogItem = Param | Metric | Tag | Artifact | LoggedImage | Banner


def metrics(values: Mapping[str, float], step: int = 0) -> list[Metric]:
    """Make a metric of each entry."""
    return [Metric(name, value, step) for name, value in values.items()]
