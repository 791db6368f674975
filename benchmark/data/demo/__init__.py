"""Turns a small specification into a class-per-folder tree of drawn images of invented species."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.data.demo.scene import picture
from benchmark.data.demo.species import SPECIES_LIMIT, species_name, species_of
from benchmark.data.threads import in_threads
from benchmark.study.suite import STUDY_IMAGES
from registry.errors import UserError

__all__ = ["SPECIES_LIMIT", "DemoSpec", "species_names", "write_demo"]

# How often each size occurs among the study's images, which number STUDY_IMAGES.
_COMMON_SIZES = {
    (240, 240): 12264,
    (1280, 720): 144,
    (225, 225): 136,
    (300, 168): 54,
    (1920, 1080): 48,
    (734, 1024): 36,
    (500, 500): 35,
    (646, 646): 35,
    (600, 600): 34,
    (600, 825): 34,
}
_OTHER_SIDES = (150, 800)
_LARGEST_CANVAS = 560
_JPEG_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class DemoSpec:
    """What to generate.

    Attributes:
        species: Number of classes.
        images_per_species: Number of images of each class, the test images besides not counted.
        test_images_per_species: Number of images besides, to test on: with them, there are folders
            train and test.
        first_species: Number of the first species; disjoint ranges share no species.
        seed: Varies the images, not what a species looks like.

    Raises:
        UserError: If a count is below 1, a number is negative or the species run out.
    """

    species: int = 10
    images_per_species: int = 40
    test_images_per_species: int = 0
    first_species: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("species", 1),
            ("images_per_species", 1),
            ("test_images_per_species", 0),
            ("first_species", 0),
            ("seed", 0),
        ):
            if getattr(self, name) < least:
                raise UserError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.first_species + self.species > SPECIES_LIMIT:
            raise UserError(f"species numbers must stay below {SPECIES_LIMIT}")

    @property
    def numbers(self) -> range:
        """Numbers of the species."""
        return range(self.first_species, self.first_species + self.species)


def species_names(spec: DemoSpec) -> list[str]:
    """Names of the species in the order of their numbers, which serve as folder names."""
    return [species_name(number) for number in spec.numbers]


def write_demo(
    spec: DemoSpec,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write every image to `folder`/<species>/<image>.jpg or .png, or below train and test there.

    Images come in many sizes, as RGB or, for some PNG files, RGBA. The same spec writes the same
    bytes, and no image depends on how many others are written.

    Args:
        spec: What to generate.
        folder: Where the class folders go; made if missing.
        progress: Called with (images done, images in all).

    Raises:
        FileExistsError: If a class folder exists already.
    """
    parts = _parts(spec)
    for name in species_names(spec):
        for part in parts:
            (folder / part / name).mkdir(parents=True)
    images = [
        (number, part, index)
        for number in spec.numbers
        for part, indices in parts.items()
        for index in indices
    ]
    with in_threads(partial(_write_image, spec.seed, folder), images) as written:
        for done, _ in enumerate(written, start=1):
            progress(done, len(images))


def _parts(spec: DemoSpec) -> dict[str, range]:
    """The numbers of the images in each folder of parts."""
    first = spec.images_per_species
    if not spec.test_images_per_species:
        return {"": range(first)}
    return {"train": range(first), "test": range(first, first + spec.test_images_per_species)}


def _write_image(seed: int, folder: Path, which: tuple[int, str, int]) -> None:
    number, part, index = which
    rng = np.random.default_rng((seed, number, index))
    kind = species_of(number)
    size = _size(rng)
    # Small pictures are drawn at twice their size for smooth edges, huge ones are drawn smaller.
    zoom = min(2, _LARGEST_CANVAS / max(size))
    image = picture(kind, (round(zoom * size[0]), round(zoom * size[1])), rng)
    image = image.resize(size, Image.Resampling.BOX if zoom > 1 else Image.Resampling.BICUBIC)
    if image.mode == "RGB":
        image = _grain(image, rng)
    stem = folder / part / kind.name / f"{index:03d}"
    if image.mode == "RGBA" or rng.random() > _JPEG_SHARE:
        image.save(stem.with_suffix(".png"), compress_level=1)
    else:
        image.save(stem.with_suffix(".jpg"), quality=int(rng.integers(60, 95)))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    counts = np.array(list(_COMMON_SIZES.values()))
    place = np.searchsorted(counts.cumsum(), rng.integers(STUDY_IMAGES), side="right")
    if place < len(counts):
        return list(_COMMON_SIZES)[place]
    low, high = np.log(_OTHER_SIDES)
    width, height = np.exp(rng.uniform(low, high, size=2)).astype(int).tolist()
    return width, height


def _grain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image with another exposure and the noise of a camera or scanner."""
    noise = rng.standard_normal((image.height, image.width, 1), dtype=np.float32)
    pixels = np.asarray(image) * np.float32(rng.uniform(0.85, 1.1)) + rng.uniform(0, 8) * noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
