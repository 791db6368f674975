"""The settings of a training recipe, whose defaults are the study's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Optimizer = Literal["adam", "adamw", "nadamw", "sgd", "lamb", "lion"]
LrSchedule = Literal["constant", "cosine"]
AutoAugment = Literal["trivial", "rand"]
SIDE_STEP = 8
"""Sides of growing images are multiples of it."""


class RecipeConfig(BaseModel):
    """How a network is optimised, on what it is regularised, and whom it learns from.

    What changes images serves networks that see them anew in each epoch: a frozen backbone is run
    once, over the images as they are.
    """

    optimizer: Optimizer = Field(
        "adam", description="timm's optimizer of that name; sgd has Nesterov momentum 0.9."
    )
    lr_schedule: LrSchedule = Field(
        "constant", description="How the rate falls after the warm-up; of each stage by itself."
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="Share of the steps in which the rate rises to train.lr."
    )
    decay_norms: bool = Field(
        True,
        description="Whether weight decay pulls on biases and normalisation, too; never with a "
        "train.layer_decay below 1.",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor of the rate from one group of layers to that below.",
    )
    backbone_lr: float = Field(
        1.0, gt=0, le=1, description="The backbone's rate as a share of the classifier's."
    )
    clip_norm: float | None = Field(
        None, gt=0, le=1e6, description="Longest gradient of a step; none: any."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the weights' moving average, which is kept; 0: none."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Probability that is taken from the true class for all."
    )
    class_weights: bool = Field(
        False, description="Whether all classes weigh the same in the loss, whatever their images."
    )
    flip: bool = Field(False, description="Mirror half of the images, by chance.")
    crop: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Smallest area of a random crop, before it is cut to the image; 1: none.",
    )
    auto_augment: AutoAugment | None = Field(
        None, description="TrivialAugment or RandAugment of each image; none: neither."
    )
    erasing: float = Field(
        0.0, ge=0, le=1, description="Share of the images in which a rectangle becomes noise."
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Alpha of mixup; 0: none. With cutmix, either in each step.",
    )
    cutmix: float = Field(0.0, ge=0, le=100, description="Alpha of CutMix; 0: none.")
    start_size: float = Field(
        1.0,
        ge=0.25,
        le=1,
        description="Share of the images' side at first; it grows by step.",
    )
    test_flip: bool = Field(
        False,
        description="Score the mean of each image and its mirror image.",
    )
    teacher: str | None = Field(
        None, min_length=1, description="System whose predictions are learned from; none: no one's."
    )
    teacher_weight: float = Field(
        0.5, ge=0, le=1, description="The teacher's part of the loss; the labels have the rest."
    )
    temperature: float = Field(
        1.0, gt=0, le=100, description="By which teacher's and student's logits are divided."
    )

    def side(self, full: int, progress: float) -> int:
        """Side of the images in pixels, when a share of the training is done."""
        side = (self.start_size + (1 - self.start_size) * progress) * full
        if side > full - SIDE_STEP / 2:
            return full
        return min(full, max(SIDE_STEP, round(side / SIDE_STEP) * SIDE_STEP))
