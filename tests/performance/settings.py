"""What several cases share: the study's models, and the settings of whole studies."""

from __future__ import annotations

MODELS = ("basic_cnn", "residual_cnn", "convmixer", "resnet18", "vit_b_16")
FULL = {"image_size": 240, "epochs": 25, "batch_size": 32, "freeze_epochs": 4}
QUICK = {"image_size": 64, "epochs": 5, "batch_size": 16, "freeze_epochs": 2}
SMALL = {"image_size": 32, "epochs": 1, "batch_size": 16, "freeze_epochs": 1}
"""Of whole studies."""
