"""Turns what a run said of its val images into how far its word on others can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.predictions import Predictions

LEVEL = 0.05
"""Default error rate: the share of pictures like those trained on that are called unknown, and of
prediction sets that miss the true class."""
_LEAST = 1e-12
"""Smaller probabilities are taken for so much, of which there is a logarithm."""
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A classifier's temperature, and how strange its val images were to it.

    The strangeness of a picture is one minus its highest probability at the temperature; of a
    picture and a class, one minus that class's (Sadinle, Lei and Wasserman 2019).

    Attributes:
        temperature: What logits are divided by, so that probabilities are right on average (Guo et
            al. 2017).
        strangeness: (V,) of the val images, ascending.
        misfit: (V,) of the val images and their true classes, ascending.
    """

    temperature: float
    strangeness: NDArray[np.float64]
    misfit: NDArray[np.float64]

    def tells(self, level: float) -> bool:
        """Whether there were enough val images for a p-value of no more than the level."""
        return level * (len(self.strangeness) + 1) >= 1

    def least_sure(self, level: float) -> float | None:
        """The highest probability, at the temperature, below which a picture is unknown.

        None if there were too few val images for the level.
        """
        above = math.floor(level * (len(self.strangeness) + 1) + 1e-9) - 1
        return None if above < 0 else float(1 - self.strangeness[-1 - above])

    def tempered(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Probabilities (N, C) at the temperature."""
        return _tempered(probabilities, self.temperature)

    def p_values(self, probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """How often a picture like the val images is at least as strange, in (0, 1].

        It is a split-conformal p-value (Vovk, Gammerman and Shafer 2005): among pictures like the
        val images, about a share of L, at most, has one of L or less, whatever the classifier is.
        The bound is not exact, since the val images have chosen the epoch and the temperature.

        Args:
            probabilities: (N, C).
        """
        strange = 1 - self.tempered(probabilities).max(axis=1)
        return _p_values(strange, self.strangeness)

    def sets(
        self, probabilities: NDArray[np.floating[Any]], level: float = LEVEL
    ) -> NDArray[np.bool_]:
        """Prediction sets.

        Of pictures like the val images, they miss the true class for at most about a share of
        ``level``; see `p_values`.

        Args:
            probabilities: (N, C).
            level: In (0, 1).

        Returns:
            (N, C); the most probable class is always among them.
        """
        tempered = self.tempered(probabilities)
        sets = _p_values(1 - tempered, self.misfit) > level
        sets[np.arange(len(sets)), tempered.argmax(axis=1)] = True
        return sets


def calibrate(validation: Predictions) -> Calibration:
    """Fit the temperature to val predictions by their log loss, and keep how strange they were."""
    from scipy.optimize import minimize_scalar

    labels = validation.labels
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        tempered = _tempered(validation.probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(tempered[rows, labels], _LEAST)).mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    temperature = float(np.exp(found.x))
    tempered = _tempered(validation.probabilities, temperature)
    return Calibration(
        temperature=temperature,
        strangeness=np.sort(1 - tempered.max(axis=1)),
        misfit=np.sort(1 - tempered[rows, labels]),
    )


def _tempered(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    from scipy.special import softmax

    logits = np.log(np.maximum(probabilities.astype(np.float64), _LEAST)) / temperature
    tempered: NDArray[np.float64] = softmax(logits, axis=1)
    return tempered


def _p_values(scores: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of known scores, the new one among them, that are at least as high."""
    above = len(known) - np.searchsorted(known, scores, side="left")
    p_values: NDArray[np.float64] = (1 + above) / (1 + len(known))
    return p_values
