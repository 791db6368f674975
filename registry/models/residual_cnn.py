"""The study's model 2, "Custom CNN Modern": four residual stages and a wide classifier."""

from __future__ import annotations

from torch import Tensor, nn


def conv_bn(channels: int, filters: int) -> nn.Sequential:
    """3x3 convolution with batch normalisation.

    The bias is redundant before the normalisation; PyTorch's default keeps it, and so did the
    study, as the parameter count that it gives for its ConvMixer shows.
    """
    return nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters))


class ResidualBlock(nn.Module):
    """ReLU(x + Conv-BN-ReLU-Conv-BN(x)) (He et al. 2016); keeps the shape (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(channels, channels), nn.ReLU(), conv_bn(channels, channels)
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Add the body's output to its input."""
        result: Tensor = self.relu(x + self.body(x))
        return result


class ResidualCNN(nn.Module):
    """Stages of 64 to 512 filters, then 1024-ReLU-Dropout(0.4)-512-ReLU-Dropout(0.4).

    Each stage: 2x Conv-BN-ReLU, a residual block, MaxPool.
    Images (N, 3, S, S) -> features (N, 512, S//16, S//16) -> embeddings (N, 512).
    """

    num_features = 512

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    conv_bn(channels, filters),
                    nn.ReLU(),
                    conv_bn(filters, filters),
                    nn.ReLU(),
                    ResidualBlock(filters),
                    nn.MaxPool2d(2),
                )
                for channels, filters in ((3, 64), (64, 128), (128, 256), (256, 512))
            )
        )
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(512 * (image_size // 16) ** 2, 1024),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(1024, self.num_features),
            nn.ReLU(),
            nn.Dropout(0.4),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Images -> feature maps."""
        features: Tensor = self.stages(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        """Feature maps -> embeddings; there is no classifier to skip."""
        embeddings: Tensor = self.dense(x)
        return embeddings
