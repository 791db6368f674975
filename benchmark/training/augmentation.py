"""Turns a batch of images into others of the same classes, as a recipe says."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from benchmark.study.recipe import RecipeConfig

ASPECT = 4 / 3
"""Crops are at most so much wider than high, or the other way round."""
ERASED = (0.02, 0.33)
"""Smallest and largest share of an image that is erased (Zhong et al. 2020)."""
_PADDING = {"mps": "reflection"}
"""Apple's GPUs have no other that, within half a pixel of an edge, gives the pixels at the edge."""


class Augmentation:
    """Flips, crops, resizes, recolours and erases; each image by draws of its own.

    torchvision's transforms make one draw for a whole batch: so flip, crop and size are one
    `grid_sample` here, and its automatic policies are called image by image.
    """

    def __init__(self, recipe: RecipeConfig) -> None:
        """Choose what is done."""
        self._recipe = recipe
        self._transform: Callable[[Tensor], Tensor] | None = None
        if recipe.auto_augment is not None:
            from torchvision.transforms import v2  # slow to import

            policies = {"trivial": v2.TrivialAugmentWide, "rand": v2.RandAugment}
            self._transform = policies[recipe.auto_augment]()

    def __call__(self, images: Tensor, progress: float) -> Tensor:
        """Augment a batch.

        Args:
            images: (N, 3, S, S) in [0, 1].
            progress: Share of the training that is done, for images that grow.

        Returns:
            (N, 3, s, s) with s = S, or smaller while images grow.
        """
        recipe = self._recipe
        side = recipe.side(images.shape[-1], progress)
        if self._transform is not None:
            as_bytes = images.mul(255).byte()
            recoloured = torch.stack([self._transform(image) for image in as_bytes])
            images = recoloured.float().div_(255)
        if recipe.flip or recipe.crop < 1 or side != images.shape[-1]:
            images = _resample(images, side, flip=recipe.flip, crop=recipe.crop)
        if recipe.erasing:
            images = _erase(images, recipe.erasing)
        return images.contiguous(memory_format=torch.channels_last)


def _resample(images: Tensor, side: int, *, flip: bool, crop: float) -> Tensor:
    """Mirror half of the images and cut a box out of each, of ``crop`` to all of its area."""
    count, device = len(images), images.device
    area = torch.empty(count, device=device).uniform_(crop, 1).sqrt()
    widest = math.log(ASPECT) / 2 if crop < 1 else 0.0
    aspect = torch.empty(count, device=device).uniform_(-widest, widest).exp()
    sizes = torch.stack([area * aspect, area / aspect], dim=1).clamp_(max=1)
    centres = (2 * torch.rand(count, 2, device=device) - 1) * (1 - sizes)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = sizes.unbind(1)
    theta[:, :, 2] = centres
    if flip:
        theta[:, 0, 0] *= 2 * torch.randint(2, (count,), device=device) - 1
    grid = affine_grid(theta, [count, images.shape[1], side, side], align_corners=False)
    padding = _PADDING.get(device.type, "border")
    return grid_sample(images, grid, align_corners=False, padding_mode=padding)


def _erase(images: Tensor, share: float) -> Tensor:
    """Fill a rectangle of some images with noise."""
    side, device = images.shape[-1], images.device
    rows = torch.nonzero(torch.rand(len(images), device=device) < share).flatten()
    chosen = images[rows]
    area = torch.empty(len(rows), device=device).uniform_(*ERASED).sqrt()
    widest = math.log(1 / 0.3) / 2
    aspect = torch.empty(len(rows), device=device).uniform_(-widest, widest).exp()
    sizes = torch.stack([area * aspect, area / aspect], dim=1).clamp_(max=1)
    starts = torch.rand(len(rows), 2, device=device) * (1 - sizes)
    places = (torch.arange(side, device=device) + 0.5) / side
    inside = (places >= starts[:, :, None]) & (places < (starts + sizes)[:, :, None])
    box = inside[:, 1, None, :, None] & inside[:, 0, None, None, :]
    return images.index_copy(0, rows, chosen.where(~box, torch.rand_like(chosen)))
