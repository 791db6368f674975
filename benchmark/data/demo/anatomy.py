"""Turns a species' body plan and a pose into a torso, limbs and the places features attach to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.data.demo.species import Species, Tone

# The plane as complex numbers: x runs right, the imaginary y runs down, a body is about 2 across.
Points: TypeAlias = NDArray[np.complexfloating[Any, Any]]

SIDES = (-1, 1)
_TURN: Points = np.exp(2j * np.pi * np.arange(24) / 24)
_ALONG: NDArray[np.float64] = np.linspace(0, 1, 13)


@dataclass(frozen=True)
class Part:
    """One closed outline of a creature.

    Attributes:
        points: Corners, complex, shape (n,).
        tone: The palette's colour that fills it.
        line: Whether its edge is inked.
    """

    points: Points
    tone: Tone
    line: bool = True


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How one creature holds itself: swing of the limbs and gaze in [-1, 1], eyes shut or open."""

    swing: float
    look: float
    blink: bool


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A torso with its limbs, and where the features that all plans share attach.

    Attributes:
        torso: Centre of the torso.
        radii: Half width (real) and half height (imaginary) of the torso.
        head: Centre of the head.
        skull: Radius of the head.
        rump: Root of the tail.
        behind: Parts further away than the torso.
        front: Parts nearer than the torso.
        headless: Whether the face sits on the torso itself.
    """

    torso: complex
    radii: complex
    head: complex
    skull: float
    rump: complex
    behind: list[Part]
    front: list[Part]
    headless: bool = False

    def at(self, spot: complex) -> complex:
        """The point of the torso at `spot` of the unit disc."""
        return self.torso + complex(spot.real * self.radii.real, spot.imag * self.radii.imag)


def body_of(kind: Species, pose: Pose) -> Anatomy:
    """The body of a species, in a pose."""
    return _PLANS[kind.plan](kind, pose)


def oval(centre: complex, radii: complex) -> Points:
    """An ellipse whose half width and half height are the parts of `radii`."""
    return centre + _TURN.real * radii.real + 1j * _TURN.imag * radii.imag


def ball(centre: complex, radius: float) -> Points:
    """A circle."""
    return centre + radius * _TURN


def ribbon(spine: Points, widths: NDArray[np.float64]) -> Points:
    """The band that reaches `widths` to either side of `spine`, both of shape (n,)."""
    along = np.gradient(spine)
    across = 1j * along / np.abs(along) * widths
    return np.concatenate([spine + across, (spine - across)[::-1]])


def limb(start: complex, end: complex, widths: tuple[float, float], bend: float = 0) -> Points:
    """A band from `start` to `end`, bent sideways by that share of its length."""
    return ribbon(_arc(start, end, bend), widths[0] + (widths[1] - widths[0]) * _ALONG)


def blade(start: complex, end: complex, width: float, bend: float = 0) -> Points:
    """A leaf shape from tip to tip."""
    return ribbon(_arc(start, end, bend), width * np.sin(np.pi * _ALONG) ** 0.8)


def fan(root: complex, ways: Iterable[complex], width: float, tone: Tone) -> list[Part]:
    """Blades that spread from `root` by each of `ways`."""
    return [Part(blade(root, root + way, width), tone) for way in ways]


def _arc(start: complex, end: complex, bend: float) -> Points:
    return start + (end - start) * (_ALONG + 4j * bend * _ALONG * (1 - _ALONG))


def _leg(hip: complex, foot: complex, width: float, tone: Tone) -> list[Part]:
    paw = oval(foot + 0.3 * width, width * (1.3 + 0.7j))
    return [Part(limb(hip, foot, (width, 0.75 * width)), tone), Part(paw, tone)]


def _quadruped(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.62 * kind.girth + 0.34j
    head = 0.75 * radii.real + 0.2 - 0.52j
    near, far = [], []
    for hip, stride in ((-0.6 * radii.real, pose.swing), (0.55 * radii.real, -pose.swing)):
        foot = hip + 0.15 * stride + 1j * (0.2 + 0.55 * kind.limb)
        near += _leg(hip + 0.1j, foot, 0.14, "coat")
        far += _leg(hip + 0.16 + 0.1j, foot + 0.16 - 0.3 * stride - 0.04j, 0.13, "shade")
    neck = Part(limb(0.4 * radii.real, head, (0.25, 0.2)), "coat", line=False)
    return Anatomy(
        torso=0,
        radii=radii,
        head=head,
        skull=0.38 * kind.head,
        rump=-0.9 * radii.real - 0.1j,
        behind=[*far, *near],
        front=[neck],
    )


def _bird(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.46 * kind.girth + 0.5j
    flap = np.exp(1j * (0.2 + 0.5 * pose.swing)) * 0.7 * kind.limb
    behind = []
    for x in (-0.14, 0.16):
        foot = x + 0.06 * pose.swing + 1j * (0.5 + 0.3 * kind.limb)
        behind.append(Part(limb(x + 0.3j, foot, (0.05, 0.04)), "accent"))
        behind += fan(foot - 0.08, (0.3 + 0.06j, 0.26 + 0.14j, 0.16 + 0.16j), 0.05, "accent")
    return Anatomy(
        torso=0.05j,
        radii=radii,
        head=0.22 - 0.52j,
        skull=0.35 * kind.head,
        rump=-0.75 * radii.real + 0.25j,
        behind=behind,
        front=fan(-0.2j, [flap * (-0.9 + 1j * y) for y in (0.3, 0.65, 1)], 0.16, "shade"),
    )


def _blob(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.74 * kind.girth + 0.64j
    paw = 0.2 * kind.limb * (1 + 0.7j)
    return Anatomy(
        torso=0,
        radii=radii,
        head=0.08 * pose.look - 0.16j,
        skull=0.5 * kind.head,
        rump=-0.85 * radii.real + 0.25j,
        behind=[Part(oval(0.4 * side + 0.6j, 0.22 + 0.12j), "accent") for side in SIDES],
        front=[
            Part(oval(complex(side * radii.real, 0.1 + 0.12 * side * pose.swing), paw), "coat")
            for side in SIDES
        ],
        headless=True,
    )


def _serpent(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.66 * kind.girth + 0.24j
    root, head = 0.1 + 0.3j, 0.25 + 0.12 * pose.swing - 0.62j
    sway = 0.3 * np.sin(2 * np.pi * _ALONG) * (1 + 0.3 * pose.swing)
    neck = root + (head - root) * _ALONG - sway
    return Anatomy(
        torso=0.42j,
        radii=radii,
        head=head,
        skull=0.32 * kind.head,
        rump=-0.9 * radii.real + 0.45j,
        behind=[Part(oval(0.05 + 0.66j, 1.15 * radii), "shade")],
        front=[
            Part(oval(0.04 + 0.2j, 0.72 * radii), "coat"),
            Part(ribbon(neck, 0.22 - 0.06 * _ALONG), "coat"),
            Part(ribbon(neck[:-3] + 0.06, 0.1 - 0.02 * _ALONG[:-3]), "belly", line=False),
        ],
    )


def _biped(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.38 * kind.girth + 0.44j
    limbs = []
    for side in SIDES:
        shoulder = 0.75 * side * radii.real - 0.1j
        hand = shoulder + 0.45 * kind.limb * side * np.exp(0.5j * side + 0.7j * pose.swing)
        limbs += [Part(limb(shoulder, hand, (0.12, 0.09)), "coat"), Part(ball(hand, 0.12), "coat")]
        foot = side * 0.28 + 0.06 * pose.swing + 1j * (0.4 + 0.5 * kind.limb)
        limbs += _leg(0.2 * side + 0.4j, foot, 0.17, "shade")
    return Anatomy(
        torso=0.15j,
        radii=radii,
        head=0.05 * pose.look - 0.5j,
        skull=0.42 * kind.head,
        rump=-0.7 * radii.real + 0.4j,
        behind=limbs,
        front=[],
    )


def _fish(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.7 * kind.girth + 0.42j
    flick = 0.2j * pose.swing
    forks = [kind.limb * (-0.6 + 1j * y) + flick for y in (-0.45, 0.45)]
    fins = (-0.3 - 0.5j - 0.3j * kind.limb, -0.4 + 0.6j + 0.2j * kind.limb)
    return Anatomy(
        torso=0,
        radii=radii,
        head=0.4 * radii.real - 0.05j,
        skull=0.34 * kind.head,
        rump=-0.3 * radii.real - 0.3j,
        behind=[
            *fan(-0.7 * radii.real + 0j, forks, 0.17, "accent"),
            *fan(-0.05, fins, 0.2, "accent"),
        ],
        front=fan(-0.05 + 0.12j, (-0.4 + 0.3j + flick,), 0.14, "shade"),
        headless=True,
    )


def _bug(kind: Species, pose: Pose) -> Anatomy:
    radii = 0.5 * kind.girth + 0.36j
    legs = []
    for x, lean in ((0.4, 0.3), (0.15, 0.05), (-0.1, -0.2), (-0.4, -0.3)):
        foot = x + lean + 0.08 * pose.swing + 1j * (0.3 + 0.45 * kind.limb)
        legs.append(Part(limb(x + 0.1j, foot, (0.06, 0.03), 0.25 * np.sign(-lean)), "ink"))
    beat = np.exp(0.3j * pose.swing)
    return Anatomy(
        torso=-0.35,
        radii=radii,
        head=0.68 - 0.1j,
        skull=0.34 * kind.head,
        rump=-0.35 - 0.9 * radii.real,
        behind=[
            *legs,
            *fan(0.1 - 0.2j, [beat * kind.limb * (x - 0.6j) for x in (-0.6, -0.1)], 0.2, "belly"),
        ],
        front=[Part(oval(0.28, 0.28 + 0.27j), "shade")],
    )


def _plant(kind: Species, pose: Pose) -> Anatomy:
    head, skull = 0.1 * pose.swing - 0.42j, 0.36 * kind.head
    petals = [(skull + 0.32 * kind.limb) * 1j ** (k / 2) for k in range(8)]
    leaves = [
        0.75 * kind.limb * side * np.exp(-1j * (0.3 * side + 0.3 * pose.swing)) for side in SIDES
    ]
    return Anatomy(
        torso=0.4j,
        radii=0.42 * kind.girth + 0.4j,
        head=head,
        skull=skull,
        rump=-0.3 + 0.5j,
        behind=[
            *fan(0.3j, leaves, 0.16, "shade"),
            *(Part(limb(0.5j, x + 0.95j, (0.12, 0.03)), "shade") for x in (-0.4, -0.05, 0.35)),
        ],
        front=fan(head, petals, 0.2, "accent"),
    )


_PLANS: Mapping[str, Callable[[Species, Pose], Anatomy]] = {
    "quadruped": _quadruped,
    "bird": _bird,
    "blob": _blob,
    "serpent": _serpent,
    "biped": _biped,
    "fish": _fish,
    "bug": _bug,
    "plant": _plant,
}
