"""Turns a model's spec into what checks look at: backbones, images, embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from registry.checks.failure import Checked
from registry.specs import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

_NOISE = 0.02


@dataclass(frozen=True, kw_only=True)
class Made(Checked):
    """A model that is being checked.

    Attributes:
        spec: The model.
        image_size: Side of its images in pixels.
    """

    spec: ModelSpec
    image_size: int

    @cached_property
    def backbone(self) -> Any:
        """One of it, with every weight a little off its start, where some are zero."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = self.make()
            with torch.no_grad():
                for parameter in backbone.parameters():
                    parameter.add_(_NOISE * torch.randn_like(parameter))
        return backbone

    @cached_property
    def images(self) -> Tensor:
        """Three images in [0, 1]."""
        return self.noise(self.image_size)

    def noise(self, image_size: int) -> Tensor:
        """Three images in [0, 1] of a size."""
        import torch

        generator = torch.Generator().manual_seed(0)
        return torch.rand(3, 3, image_size, image_size, generator=generator)

    def make(self) -> Any:
        """Make one."""
        with self.advising(
            "the factory fails; it takes image_size, in pixels, and gives a backbone with "
            "forward_features, forward_head and num_features"
        ):
            return self.spec.make(self.image_size)

    def embed(self, images: Tensor) -> Tensor:
        """Images -> their embeddings, in evaluation mode."""
        import torch

        with torch.inference_mode():
            return pool(self.backbone.eval(), images)


def pool(backbone: Any, images: Tensor) -> Tensor:
    """Images -> embeddings, as bench computes them."""
    features = backbone.forward_features(images)
    embeddings: Tensor = backbone.forward_head(features, pre_logits=True)
    return embeddings
