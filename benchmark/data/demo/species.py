"""Turns a species number into its name and the inherited traits its pictures are drawn from."""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

RGB: TypeAlias = tuple[int, int, int]
Tone: TypeAlias = Literal["coat", "shade", "belly", "accent", "ink", "white"]
Palette: TypeAlias = Mapping[Tone, RGB]

PLANS = ("quadruped", "bird", "blob", "serpent", "biped", "fish", "bug", "plant")
EYES = ("round", "dot", "fierce", "sleepy")
EARS = ("pointed", "round", "long", "floppy", "antennae")
MOUTHS = ("smile", "snout", "fangs", "beak")
TAILS = ("ball", "brush", "flame", "bolt", "curl", "fan")
PATTERNS = ("spots", "stripes", "bands", "saddle", "plain")
EXTRAS = ("horn", "wings", "crest", "spines", "mane", "gem")

# fmt: off
_ONSETS = (
    "b", "br", "d", "dr", "f", "fl", "g", "gl", "gr", "h", "j", "k", "kl", "l",
    "m", "n", "p", "pl", "qu", "r", "s", "sk", "sn", "t", "tr", "v", "w", "z",
)
_VOWELS = ("a", "e", "i", "o", "u")
# Clusters that seldom finish a real word, let alone a rude one.
_MIDDLES = (
    "bl", "dr", "fl", "lk", "lm", "ln", "lt", "lz", "mbl", "mbr", "mn",
    "ndr", "nv", "nz", "rb", "rl", "rm", "rz", "v", "vr", "zl", "zm",
)
# fmt: on
_ENDINGS = (
    ("i", "illo", "illorn"),
    ("o", "oon", "oondra"),
    ("u", "urn", "urnox"),
    ("ee", "eska", "eskador"),
    ("ip", "ippal", "ippalux"),
    ("a", "arro", "arrowan"),
    ("ot", "otter", "otterok"),
)
_FAMILIES = len(_ONSETS) * len(_VOWELS) * len(_MIDDLES)
_FAMILY_SIZES = (3, 2)
# Sharing no factor with the number of families, it visits every stem once, far from the last one.
_STEM_STRIDE = 1193
_GOLDEN = 0.618034
_TRAIT_STREAM = 0x5EED

SPECIES_LIMIT = _FAMILIES * sum(_FAMILY_SIZES) // len(_FAMILY_SIZES)


@dataclass(frozen=True, kw_only=True)
class Species:
    """What every picture of one species shares.

    Attributes:
        name: Unique invented name, letters only.
        stage: Place in the family: 0 (youngest) to 2.
        plan: Body plan, one of `PLANS`.
        palette: Colour of each tone.
        eyes: One of `EYES`.
        ears: One of `EARS`.
        mouth: One of `MOUTHS`.
        tail: One of `TAILS`.
        pattern: Markings on the torso, one of `PATTERNS`.
        extras: Features grown so far, from `EXTRAS`.
        girth: Width of the torso relative to its plan.
        head: Size of the head relative to its plan.
        limb: Length of legs, tail and ears relative to their plan.
    """

    name: str
    stage: int
    plan: str
    palette: Palette
    eyes: str
    ears: str
    mouth: str
    tail: str
    pattern: str
    extras: tuple[str, ...]
    girth: float
    head: float
    limb: float


def species_of(number: int) -> Species:
    """The species with this number, from 0 to `SPECIES_LIMIT` - 1."""
    family, stage = _family(number)
    rng = np.random.default_rng((_TRAIT_STREAM, family))
    extras = tuple(str(extra) for extra in rng.permutation(EXTRAS)[:2])
    return Species(
        name=species_name(number),
        stage=stage,
        plan=PLANS[family % len(PLANS)],
        palette=_palette(family, stage, rng),
        eyes=str(rng.choice(EYES)),
        ears=str(rng.choice(EARS)),
        mouth=str(rng.choice(MOUTHS)),
        tail=str(rng.choice(TAILS)),
        pattern=str(rng.choice(PATTERNS)),
        extras=extras[:stage],
        girth=rng.uniform(0.85, 1.2) * (0.94, 1.0, 1.06)[stage],
        head=rng.uniform(0.9, 1.15) * (1.15, 1.0, 0.88)[stage],
        limb=rng.uniform(0.85, 1.15) * (0.8, 1.0, 1.2)[stage],
    )


def species_name(number: int) -> str:
    """Name of the species with this number; members of a family share their first letters."""
    family, stage = _family(number)
    rest, middle = divmod(family * _STEM_STRIDE % _FAMILIES, len(_MIDDLES))
    onset, vowel = divmod(rest, len(_VOWELS))
    stem = _ONSETS[onset] + _VOWELS[vowel] + _MIDDLES[middle]
    return (stem + _ENDINGS[family % len(_ENDINGS)][stage]).capitalize()


def _family(number: int) -> tuple[int, int]:
    pair, place = divmod(number, sum(_FAMILY_SIZES))
    second, stage = divmod(place, _FAMILY_SIZES[0])
    return 2 * pair + second, stage


def _palette(family: int, stage: int, rng: np.random.Generator) -> Palette:
    """Neighbouring families get distant hues, the stages of one family a slight shift of hue."""
    hue = family * _GOLDEN + rng.uniform(-0.04, 0.04) + 0.03 * stage * rng.choice((-1, 1))
    saturation = rng.choice((0.18, 0.45, 0.6, 0.75)) + 0.05 * stage
    value = rng.uniform(0.65, 0.95) - 0.05 * stage
    accent = hue + rng.choice((0.08, 0.17, 0.33, 0.5, 0.67))
    return {
        "coat": hsv(hue, saturation, value),
        "shade": hsv(hue + 0.02, saturation + 0.1, value * 0.72),
        "belly": hsv(hue + 0.03, saturation * 0.3, min(1.0, value + 0.22)),
        "accent": hsv(accent, rng.uniform(0.55, 0.85), rng.uniform(0.7, 0.95)),
        "ink": hsv(hue, 0.5, 0.2),
        "white": (250, 250, 248),
    }


def hsv(hue: float, saturation: float, value: float) -> RGB:
    """The 8-bit colour of a hue (any real number, in turns), a saturation and a value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(saturation, 1), min(value, 1))
    return round(255 * red), round(255 * green), round(255 * blue)
