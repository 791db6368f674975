"""The recipe of each of the study's systems in the preset ``tuned``, by globs of their names.

They are what is usual for such networks. 15 epochs at 64 pixels on 40 species (seeds 0 to 2, 283
test images, paired) raised ConvMixer by 10.8 points, ResNet-18 by 4.5, the Basic CNN by 5.9 and the
residual CNN by 37.7 (on validation 12.0, 7.7, 6.1 and 39.8) and ViT-B/16, on a GPU, by 37.3 (37.9),
45 epochs the first three by 21.0, 11.1 and 9.1 (17.2, 11.2 and 9.4).
EfficientNet-Lite0, staged, at 224 pixels for 6 epochs: 97.5% (seeds 0 to 2).
At 240 pixels on 149 species (1,016 test images, seed 0) ConvMixer has 79.5% after its 25 epochs,
68.2% by the study's recipe, ResNet-18 74.1%, to 66.1%, and the Basic CNN 59.0%, to 35.5%. Of
ResNet-18 ten epochs are too few: 53.2%, still learning.
Of ConvMixer's ingredients the cosine brings 6.4 points on validation (README has them all). The
Basic CNN's rate and free gradients were chosen there (285 images, three seeds): 73.7%, against
71.8% at half the rate, 71.7% clipped, 68.9% with both; crops, Mixup, no smoothing, no weight decay
and a warmer teacher brought nothing. There (float32, another machine) a teacher of nine tenths of
the loss takes 7.0 points, one at a temperature of 1 takes 4.3, and one that sees 224 pixels, not
64, adds 1.4 (-1.2 to +4.0). The residual CNN's rate was chosen there, too: 27.0% at 0.001,
49.1% at 0.0003, 65.3% at 0.0001 (seed 0); without clipping it learnt no faster. To ResNet-18's gain
on validation a teacher (-0.7 points, -3.0 to +1.6) or batches of 16 (-1.4, -4.4 to +1.6, seeds 0
and 1) add nothing that shows. Compiled (`train.compile`), ConvMixer's 15 epochs take 2.1 to 2.6
times as long on two cores and end at 77.9% on validation, to 76.7% (seeds 0 to 2): no difference.
ViTs' fine-tuning is as usual and was not measured, nor any of timm's transformers.
"""

from __future__ import annotations

from typing import Any

TEACHER = "efficientnet_lite0-frozen/logistic_regression-C0.01"

_ANNEALED: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "decay_norms": False,
    "lr_schedule": "cosine",
    "warmup": 0.1,
    "clip_norm": 1.0,
    "label_smoothing": 0.1,
    "patience": None,  # the rate falls until the last epoch
}
_AUGMENTED: dict[str, Any] = {**_ANNEALED, "flip": True, "crop": 0.5}
_DISTILLED: dict[str, Any] = {"teacher": TEACHER, "teacher_weight": 0.5, "temperature": 2.0}
_VITS = ("vit*", "timm:vit*", "timm:deit*", "timm:beit*", "timm:swin*")

RECIPES: dict[str, dict[str, Any]] = {
    "*-scratch": {**_AUGMENTED, "lr": 0.002},
    "convmixer-scratch": {"lr": 0.003},
    # Without norms its gradients are long: clipped to 1 it learns less in as many epochs.
    "basic_cnn-scratch": {"crop": 1.0, "clip_norm": None, **_DISTILLED},
    # Its first dense layer sums thousands of values, each moved by the rate in a step of Adam.
    "residual_cnn-scratch": {"lr": 0.0001, **_DISTILLED},
    **{f"{name}-scratch": {"lr": 0.0003, **_DISTILLED} for name in _VITS},
    "*-staged": {**_AUGMENTED, "lr": 0.005, "backbone_lr": 0.1, "freeze_epochs": 1},
    # Beside that tenth the decay makes the rates those that masked autoencoders are fine-tuned at.
    **{f"{name}-staged": {"lr": 0.0003, "layer_decay": 0.75} for name in _VITS},
    "*-frozen": _ANNEALED,
}
"""Later globs go before earlier ones."""
