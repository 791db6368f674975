"""Pictures that are all unlike each other, and copies of them that were tampered with."""

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter, ImageOps

Tampering = Callable[[Image.Image], Image.Image]


def scene(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A picture of soft blotches with some hard edges."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8))
    picture = coarse.resize(size, Image.Resampling.BICUBIC)
    for _ in range(6):
        left, top = (int(rng.integers(0, side * 4 // 5)) for side in size)
        width, height = (int(rng.integers(6, side // 3)) for side in size)
        red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
        picture.paste((red, green, blue), (left, top, left + width, top + height))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def recompressed(picture: Image.Image) -> Image.Image:
    """As a JPEG file of low quality gives it back."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


def cropped(picture: Image.Image) -> Image.Image:
    """Without a sixth of its width and a tenth of its height."""
    width, height = picture.size
    return picture.crop((width // 8, height // 15, width - width // 24, height - height // 30))


TAMPERED: Mapping[str, Tampering] = {
    "recompressed": recompressed,
    "smaller": lambda picture: picture.resize((70, 52), Image.Resampling.BICUBIC),
    "larger": lambda picture: picture.resize((200, 150), Image.Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
    "cropped": cropped,
    "mirrored_cropped": lambda picture: ImageOps.mirror(cropped(picture)),
}
