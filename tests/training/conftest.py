"""What trainings are tried on."""

from __future__ import annotations

import pytest
import torch

from benchmark.data.prepared import PreparedData
from benchmark.training.images import Examples, image_examples


@pytest.fixture
def examples(data: PreparedData) -> Examples:
    """Three classes of noisy one-coloured images."""
    return image_examples(data, torch.device("cpu"))
