import pytest
import torch
from torch import Tensor

from benchmark.study.recipe import RecipeConfig
from benchmark.training.augmentation import _PADDING, Augmentation


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def images() -> Tensor:
    """Red rises from left to right, green from top to bottom."""
    across = torch.linspace(0, 1, 32).expand(64, 32, 32)
    return torch.stack([across, across.transpose(1, 2), torch.full_like(across, 0.5)], dim=1)


def augment(images: Tensor, progress: float = 1.0, **recipe: object) -> Tensor:
    return Augmentation(RecipeConfig.model_validate(recipe))(images, progress)


def test_the_study_sees_its_images_as_they_are(images: Tensor) -> None:
    laid_out = images.contiguous(memory_format=torch.channels_last)
    assert augment(laid_out).data_ptr() == laid_out.data_ptr()


@pytest.mark.parametrize("crop", [1, 0.1])
@pytest.mark.parametrize("start_size", [1, 0.6])
def test_apples_gpus_see_the_same_images(
    monkeypatch: pytest.MonkeyPatch, crop: float, start_size: float
) -> None:
    """Boxes that reach an edge included: they lack the padding of the other devices."""
    images = torch.rand(64, 3, 30, 30)

    def see() -> Tensor:
        torch.manual_seed(1)
        return augment(images, 0.0, flip=True, crop=crop, start_size=start_size)

    elsewhere = see()
    monkeypatch.setitem(_PADDING, "cpu", _PADDING["mps"])
    torch.testing.assert_close(see(), elsewhere, atol=1e-5, rtol=0)


def test_about_half_of_the_images_are_mirrored_and_no_more_is_done(images: Tensor) -> None:
    found = augment(images, flip=True)
    mirrored = [torch.allclose(one, images[0].flip(-1), atol=1e-5) for one in found]
    same = [torch.allclose(one, images[0], atol=1e-5) for one in found]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 < sum(mirrored) < 44


def test_crops_are_boxes_of_at_least_the_area_that_was_asked_for(images: Tensor) -> None:
    found = augment(images, crop=0.25)
    widths = found[:, 0, 0, -1] - found[:, 0, 0, 0]
    heights = found[:, 1, -1, 0] - found[:, 1, 0, 0]
    areas = widths * heights * (32 / 31) ** 2  # from the centres of the outer pixels
    assert len({round(float(area), 3) for area in areas}) > 50
    assert 0.2 < areas.min() < 0.4
    assert areas.max() > 0.8
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    places = found[:, 0].mean((1, 2))
    assert places.min() < 0.4 < 0.6 < places.max()  # not all from the middle


def test_a_share_of_the_images_loses_a_rectangle(images: Tensor) -> None:
    changed = (augment(images, erasing=0.5) != images).any(1)
    erased = changed.flatten(1).any(1)
    assert 20 < int(erased.sum()) < 44
    for image in changed[erased]:
        rows, columns = image.any(1), image.any(0)
        assert image[rows][:, columns].all()
        assert 0.01 < image.float().mean() < 0.4


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_policies_draw_for_each_image_by_itself(images: Tensor, policy: str) -> None:
    found = augment(images, auto_augment=policy)
    assert found.shape == images.shape
    assert len({tuple(one.flatten().tolist()) for one in found}) > 10


def test_images_grow_to_their_full_size(images: Tensor) -> None:
    sides = [augment(images, share, start_size=0.5).shape[-1] for share in (0, 0.5, 0.9, 1)]
    assert sides == [16, 24, 32, 32]


def test_the_same_seed_draws_the_same(images: Tensor) -> None:
    recipe = RecipeConfig(flip=True, crop=0.5, auto_augment="trivial", erasing=0.5)
    augmentation = Augmentation(recipe)
    first = augmentation(images, 1.0)
    assert not torch.equal(augmentation(images, 1.0), first)
    torch.manual_seed(0)
    assert torch.equal(augmentation(images, 1.0), first)
