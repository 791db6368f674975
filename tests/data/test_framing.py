"""Pictures become squares as timm makes them for evaluation, or as the study did."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from timm.data.transforms_factory import create_transform

from benchmark.data.framing import make_square, shown_size
from registry import InputSpec

NOISE = np.random.default_rng(0).integers(0, 256, (50, 80, 3)).astype(np.uint8)
WIDE = Image.fromarray(NOISE)
TALL = Image.fromarray(NOISE.transpose(1, 0, 2))


def test_the_studys_square_is_the_whole_picture_squashed() -> None:
    expected = WIDE.resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(make_square(WIDE, 24), expected)


@pytest.mark.parametrize("picture", [WIDE, TALL])
@pytest.mark.parametrize(("aspect", "mode"), [("crop", "center"), ("squash", "squash")])
@pytest.mark.parametrize("crop", [1.0, 0.9, 0.875])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_square_is_that_of_timm(
    picture: Image.Image, aspect: Any, mode: str, crop: float, interpolation: Any
) -> None:
    make: Any = create_transform
    theirs = make(
        (3, 32, 32), interpolation=interpolation, crop_pct=crop, crop_mode=mode, normalize=False
    )
    expected = np.asarray(theirs(picture)).transpose(1, 2, 0)
    ours = make_square(
        picture, 32, InputSpec(aspect=aspect, crop=crop, interpolation=interpolation)
    )
    np.testing.assert_array_equal(np.asarray(ours), expected)


def test_padding_shows_the_whole_picture_on_white() -> None:
    dark = Image.new("RGB", (80, 40), "black")
    square = np.asarray(make_square(dark, 32, InputSpec(aspect="pad")))
    assert square.shape == (32, 32, 3)
    assert (square[8:24] == 0).all()
    assert (square[:8] == 255).all()
    assert (square[24:] == 255).all()


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (7, 5)])
@pytest.mark.parametrize("aspect", ["squash", "crop", "pad"])
def test_any_shape_becomes_a_square(size: tuple[int, int], aspect: Any) -> None:
    assert make_square(Image.new("RGB", size), 16, InputSpec(aspect=aspect)).size == (16, 16)


def test_middle_of_a_strip_takes_little_memory() -> None:
    strip = Image.new("RGB", (100_000, 10), "red")
    strip.paste((0, 0, 255), (49_995, 0, 50_005, 10))
    started = Image.Image.resize
    sizes: list[tuple[int, int]] = []

    def resize(self: Image.Image, size: tuple[int, int], *arguments: Any) -> Image.Image:
        sizes.append(size)
        return started(self, size, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", resize)
        square = np.asarray(make_square(strip, 32, InputSpec(aspect="crop")))
    assert max(sizes[0]) <= 8 * 32
    assert (square[:, 4:-4] == (0, 0, 255)).all()


def test_people_see_a_squashed_square_in_the_pictures_shape() -> None:
    assert shown_size((80, 40), InputSpec(), 240) == (240, 120)
    assert shown_size((40, 80), InputSpec(), 240) == (120, 240)
    assert shown_size((1, 9999), InputSpec(), 240) == (1, 240)
    assert shown_size((80, 40), InputSpec(aspect="crop"), 240) == (240, 240)
