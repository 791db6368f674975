"""Test accuracies over seeds, beside the plain loop's: the study without its two slow models."""

from __future__ import annotations

from collections.abc import Iterator

from tests.performance.measure import Comparison, Options
from tests.performance.study import compare_studies

MODELS = ("basic_cnn", "convmixer", "resnet18")


def run(options: Options) -> Iterator[Comparison]:
    """Compare one seed for each repeat."""
    commands = {"bench --no-explain": ["--no-explain"]}
    yield compare_studies(options, "23 systems", MODELS, commands)
