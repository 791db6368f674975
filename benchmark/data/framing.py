"""Turns a picture into the square that a network is shown, and the square back into its shape."""

from __future__ import annotations

from PIL import Image, ImageOps

from registry.specs import STUDY_INPUT, InputSpec

_LONGEST = 8
"""How many times its shorter side of a picture is resized, where the middle is cut out of it."""


def make_square(picture: Image.Image, side: int, input_: InputSpec = STUDY_INPUT) -> Image.Image:
    """Resize a picture, as torchvision and timm do for evaluation.

    Args:
        picture: RGB, of any shape.
        side: Of the square, in pixels.
        input_: What the network was made for.
    """
    resample = Image.Resampling[input_.interpolation.upper()]
    whole = int(side / input_.crop)
    if input_.aspect == "squash":
        resized = picture.resize((whole, whole), resample)
    elif input_.aspect == "pad":
        resized = ImageOps.pad(picture, (whole, whole), resample, color="white")
    else:
        shorter = min(picture.size)
        picture = _middle(picture, _LONGEST * shorter)
        width, height = (max(whole, length * whole // shorter) for length in picture.size)
        resized = picture.resize((width, height), resample)
    left, top = (round((length - side) / 2) for length in resized.size)
    return resized.crop((left, top, left + side, top + side))


def _middle(picture: Image.Image, longest: int) -> Image.Image:
    """Cut off what lies far from the middle: a strip of pixels would be resized to gigabytes."""
    if max(picture.size) <= longest:
        return picture
    left, top = (max(0, (length - longest) // 2) for length in picture.size)
    right, bottom = (length - cut for length, cut in zip(picture.size, (left, top), strict=True))
    return picture.crop((left, top, right, bottom))


def shown_size(size: tuple[int, int], input_: InputSpec, longest: int) -> tuple[int, int]:
    """The size at which a network's square is shown to people: a squashed one in its true shape.

    Args:
        size: Width and height of the picture.
        input_: How the square was made of it.
        longest: Pixels of the longer side.
    """
    if input_.aspect != "squash":
        return longest, longest
    return fitted(size, longest)


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height in the same shape, the longer of them so long."""
    width, height = (max(1, round(length * longest / max(size))) for length in size)
    return width, height
