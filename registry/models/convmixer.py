"""The study's model 3: ConvMixer (Trockman and Kolter 2022) with ReLU."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Add the body's output to its input."""
        result: Tensor = x + self.body(x)
        return result


class ConvMixer(nn.Module):
    """Patch embedding, then mixing over space (depthwise, in a residual) and channels (pointwise).

    Images (N, 3, S, S) -> features (N, dim, S//patch, S//patch) -> embeddings (N, dim).
    """

    def __init__(self, dim: int = 256, depth: int = 8, kernel: int = 5, patch: int = 10) -> None:
        super().__init__()
        self.num_features = dim

        def activated(conv: nn.Conv2d) -> nn.Sequential:
            return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(dim))

        self.stem = activated(nn.Conv2d(3, dim, patch, stride=patch))
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    Residual(activated(nn.Conv2d(dim, dim, kernel, groups=dim, padding="same"))),
                    activated(nn.Conv2d(dim, dim, 1)),
                )
                for _ in range(depth)
            )
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward_features(self, x: Tensor) -> Tensor:
        """Images -> feature maps."""
        features: Tensor = self.blocks(self.stem(x))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        """Feature maps -> embeddings; there is no classifier to skip."""
        embeddings: Tensor = self.pool(x)
        return embeddings
