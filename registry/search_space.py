"""What a sweep varies of a head, and what it asks of an Optuna trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Suggest(Protocol):
    """The part of an Optuna trial that a search space uses."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Suggest a whole number from ``low`` to ``high``, both included."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Suggest a number from ``low`` to ``high``."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of the choices."""
        ...


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """The settings of a head that a sweep varies.

    Attributes:
        suggest: Trial -> the head's parameters.
        defaults: For each setting that the head's grid leaves open, what the head then takes: with
            it, a point of the grid is a point of the space.
    """

    suggest: Callable[[Suggest], dict[str, Any]]
    defaults: Mapping[str, Any]
