"""The study's model 1: three convolutions and one dense layer."""

from __future__ import annotations

from torch import Tensor, nn


class BasicCNN(nn.Module):
    """3x (Conv-ReLU-MaxPool) with 32, 64 and 128 filters, then Dense(256)-ReLU-Dropout(0.5).

    Images (N, 3, S, S) -> features (N, 128, S//8, S//8) -> embeddings (N, 256).
    """

    num_features = 256

    def __init__(self, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, filters in ((3, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * (image_size // 8) ** 2, self.num_features),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """Images -> feature maps."""
        features: Tensor = self.features(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        """Feature maps -> embeddings; there is no classifier to skip."""
        embeddings: Tensor = self.dense(x)
        return embeddings
