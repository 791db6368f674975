import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.explain.deletion import measure_deletion
from benchmark.explain.explainers import find_weights
from benchmark.explain.gradcam import gradcam
from benchmark.explain.remembered import Remembered
from benchmark.explain.slopes import MOST, RememberedSlopes
from tests.explain.patches import MODEL, SIZE, fresh_network, head_on, patch_images


class Counted:
    """Counts the images that a function is asked for."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.images += len(images)
        return images.mean((2, 3))


def test_each_image_is_computed_once_and_answered_in_its_place() -> None:
    counted = Counted()
    remembered = Remembered(counted)
    images = torch.rand(4, 3, 8, 8)
    asked = images[[2, 0, 2, 1]]
    torch.testing.assert_close(remembered(asked), asked.mean((2, 3)))
    assert counted.images == 3
    torch.testing.assert_close(remembered(images), images.mean((2, 3)))
    assert counted.images == 4
    assert not remembered(images.requires_grad_()).requires_grad


def test_what_is_remembered_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.explain.remembered.MOST", 6)
    counted = Counted()
    remembered = Remembered(counted)
    first, second, many = (torch.rand(count, 3, 8, 8) for count in (4, 2, 9))
    remembered(first)
    remembered(second)
    assert counted.images == 6
    both = torch.cat([first[:3], many[:1]])
    torch.testing.assert_close(remembered(both), both.mean((2, 3)))
    assert counted.images == 10
    torch.testing.assert_close(remembered(many), many.mean((2, 3)))
    assert counted.images == 19
    remembered(second)
    assert counted.images == 21


def test_it_computes_in_the_precision_that_is_asked_for() -> None:
    layer, images = torch.nn.Conv2d(3, 4, 8), torch.rand(4, 3, 8, 8)
    exact = layer(images).flatten(1)
    rounded = Remembered(lambda x: layer(x).flatten(1), "bfloat16")(images)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0.02)
    assert not torch.equal(rounded, exact)
    assert torch.equal(Remembered(lambda x: layer(x).flatten(1))(images), exact)


def test_two_deletion_curves_share_their_ends() -> None:
    counted = Counted()
    remembered = Remembered(counted)
    images, heat = torch.rand(2, 3, 8, 8), torch.rand(2, 8, 8)
    classes = np.array([0, 1])
    measure_deletion(lambda x: remembered(x).numpy(), images, classes, heat)
    assert counted.images == 2 * (6 + 4)


def test_heads_on_one_network_share_its_embeddings_and_others_do_not() -> None:
    images, classes, patches = patch_images(3, seed=2)
    heat = patches.float()
    one, other = (fresh_network(MODEL, seed) for seed in (0, 1))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    one.backbone.features.register_forward_hook(count)
    first, second = (head_on(one, head) for head in ("extra_trees", "random_forest"))
    found = measure_deletion(first.classify, images, classes, heat)
    seen = calls
    measure_deletion(second.classify, images, classes, heat)
    assert calls == seen
    elsewhere = head_on(other, "extra_trees")
    others = measure_deletion(elsewhere.classify, images, classes, heat)
    assert [*others.random_auc] != [*found.random_auc]


def test_a_map_of_a_linear_score_is_that_of_its_own_backward_pass() -> None:
    network = fresh_network(MODEL, 0)
    remembered = RememberedSlopes(network, lambda images: find_weights(network, MODEL, images))
    images = torch.rand(5, 3, SIZE, SIZE)
    layer, kind = find_weights(network, MODEL, images)
    rng = np.random.default_rng(0)
    for rows in ([0, 1, 2], [2, 3, 0, 0], [4, 1]):
        shown = images[rows]
        weights = rng.standard_normal((len(rows), network.backbone.num_features), np.float32)
        scored = torch.from_numpy(weights)
        expected = gradcam(layer, shown, lambda x: (network.embed(x) * scored).sum(1), kind)  # noqa: B023
        np.testing.assert_allclose(remembered(shown, weights), expected, rtol=1e-4, atol=1e-6)
        assert expected.any()


def test_images_of_many_heads_pass_the_network_once() -> None:
    network = fresh_network(MODEL, 0)
    passed: list[int] = []
    remembered = RememberedSlopes(network, lambda images: find_weights(network, MODEL, images))
    images = torch.rand(MOST, 3, SIZE, SIZE)
    weights = np.ones((MOST, network.backbone.num_features), np.float32)
    first = remembered(images, weights)
    handle = network.backbone.features.register_forward_pre_hook(
        lambda _, args: passed.append(len(args[0]))
    )
    np.testing.assert_allclose(remembered(images, 2 * weights), 2 * first, rtol=1e-4)
    assert passed == []
    remembered(torch.rand(2, 3, SIZE, SIZE), weights[:2])
    remembered(images[:3], weights[:3])
    handle.remove()
    assert sum(passed) == 5
