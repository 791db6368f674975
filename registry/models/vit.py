"""ViT-B/16 (Dosovitskiy et al. 2021): the study's models 5, 6 and 10."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from registry.errors import UserError
from registry.weights import StateDict

PATCH = 16


class ViTB16(VisionTransformer):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's ViT-B/16 in timm's vocabulary.

    Images (N, 3, S, S) -> tokens (N, 1 + (S/16)^2, 768), the class token first
    -> embeddings (N, 768).
    """

    num_features = 768

    def __init__(self, image_size: int) -> None:
        """Make it for an image size in pixels.

        Raises:
            UserError: The patches do not tile the image.
        """
        if image_size % PATCH:
            raise UserError(
                f"vit_b_16 needs an image size that {PATCH} divides, not {image_size}; "
                f"try --set data.image_size={round(image_size / PATCH) * PATCH}"
            )
        super().__init__(
            image_size=image_size,
            patch_size=PATCH,
            num_layers=12,
            num_heads=12,
            hidden_dim=self.num_features,
            mlp_dim=3072,
        )
        self.heads = nn.Identity()

    def forward_features(self, x: Tensor) -> Tensor:
        """Images -> tokens."""
        patches = self._process_input(x)
        token = self.class_token.expand(x.shape[0], -1, -1)
        tokens: Tensor = self.encoder(torch.cat([token, patches], dim=1))
        return tokens

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        """Tokens -> the class token's embedding; there is no classifier to skip."""
        return x[:, 0]


def resized(state: StateDict, image_size: int) -> StateDict:
    """Drop the ImageNet classifier and interpolate the position embeddings."""
    backbone = {name: tensor for name, tensor in state.items() if not name.startswith("heads.")}
    resized: StateDict = interpolate_embeddings(image_size, PATCH, backbone)
    return resized
