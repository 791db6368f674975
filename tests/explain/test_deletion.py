import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.explain.deletion import measure_deletion

SIZE = 20


def red_share(images: Tensor) -> NDArray[np.float32]:
    """Probability of class 1: how much of a red 10 x 10 patch at the top left is left."""
    left = images[:, 0, :10, :10].mean((1, 2)).clamp(0, 1)
    probabilities: NDArray[np.float32] = torch.stack([1 - left, left], 1).numpy()
    return probabilities


def test_a_map_of_what_decides_has_the_least_area() -> None:
    images = torch.zeros(3, 3, SIZE, SIZE)
    images[:, 0, :10, :10] = 1.0
    classes = np.array([1, 1, 1])
    on_patch = images[:, 0].clone()
    found = measure_deletion(red_share, images, classes, on_patch)
    good, chance = found.auc.mean(), found.random_auc.mean()
    bad = measure_deletion(red_share, images, classes, 1 - on_patch).auc.mean()
    # The image's mean is 1/4 red. The patch is a quarter of the pixels: from 1 down to 1/4 over
    # that share, then 1/4 to the end; the other way round, at first nothing happens.
    assert good == pytest.approx(0.25 + 0.25 * 0.75 / 2, abs=0.02)
    assert bad == pytest.approx(1 - 0.25 * 0.75 / 2, abs=0.02)
    assert chance == pytest.approx((1 + 0.25) / 2, abs=0.02)


def test_equal_pixels_go_in_random_order() -> None:
    images = torch.zeros(1, 3, SIZE, SIZE)
    images[:, 0, :10, :10] = 1.0  # the first rows: an order by place would begin here
    flat = measure_deletion(red_share, images, np.array([1]), torch.ones(1, SIZE, SIZE))
    assert flat.auc == flat.random_auc
    assert flat.auc > 0.55


def test_each_image_has_areas_and_a_verdict_of_its_own() -> None:
    images = torch.zeros(2, 3, SIZE, SIZE)
    images[:, 0, :10, :10] = 1.0
    heat = torch.stack([images[0, 0], 1 - images[1, 0]])  # the second is warm where nothing is
    found = measure_deletion(red_share, images, np.array([1, 1]), heat)
    assert found.auc[0] < found.random_auc[0] == pytest.approx(0.625, abs=0.02)
    assert found.auc[1] > found.random_auc[1]
    assert found.told(0).endswith(": better")
    assert found.told(1).endswith(": no better")
    assert f"{found.auc[0]:.2f}" in found.told(0)
    even = measure_deletion(red_share, images, np.array([1, 1]), torch.ones(2, SIZE, SIZE))
    assert even.told(0).endswith(": no better")
