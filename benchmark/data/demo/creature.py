"""Turns a species' traits and a random pose into the coloured outlines of one creature."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmark.data.demo.anatomy import (
    SIDES,
    Anatomy,
    Part,
    Pose,
    ball,
    blade,
    body_of,
    fan,
    limb,
    oval,
    ribbon,
)
from benchmark.data.demo.species import Species


def parts_of(kind: Species, rng: np.random.Generator) -> list[Part]:
    """Parts of one creature in a random pose, from the furthest to the nearest."""
    pose = Pose(swing=rng.uniform(-1, 1), look=rng.uniform(-1, 1), blink=rng.random() < 0.08)
    body = body_of(kind, pose)
    tail = 0.6 * kind.limb * np.exp(0.3j * pose.swing) * (-0.9 - 0.5j)
    headgear = _headgear(kind, body)
    trunk = [
        Part(oval(body.torso, body.radii), "coat"),
        Part(oval(body.at(0.1 + 0.4j), 0.55 * body.radii), "belly", line=False),
        *_pattern(kind, body),
        *body.front,
    ]
    skull = Part(ball(body.head, body.skull), "coat")
    parts = [
        *_TAILS[kind.tail](body.rump, tail),
        *_back(kind, body, pose),
        *body.behind,
        *([*headgear, *trunk] if body.headless else [*trunk, *headgear, skull]),
        *_forehead(kind, body),
        *_face(kind, body, pose),
    ]
    yaw, breath = rng.uniform(0.82, 1), rng.uniform(0.94, 1.06)
    return [
        Part(part.points.real * yaw + 1j * part.points.imag * breath, part.tone, part.line)
        for part in parts
    ]


def _back(kind: Species, body: Anatomy, pose: Pose) -> list[Part]:
    """Whatever grows from the back."""
    parts = []
    if "wings" in kind.extras:
        flap = np.exp(0.4j * pose.swing) * (0.55 + 0.3 * kind.stage)
        for side in SIDES:
            ways = [flap * complex(side * x, y) for x, y in ((0.6, -1), (1, -0.7), (1.1, -0.3))]
            parts += fan(body.at(0.2 * side - 0.4j), ways, 0.17, "accent")
    if "spines" in kind.extras:
        for angle in np.linspace(-2.9, -1.4, 3 + kind.stage):
            way = np.exp(1j * angle)
            tip = body.at(0.9 * way) + (0.25 + 0.07 * kind.stage) * way
            parts.append(Part(limb(body.at(0.9 * way), tip, (0.13, 0)), "accent"))
    if "mane" in kind.extras:
        ways = [(1.2 + 0.15 * kind.stage) * body.skull * 1j ** (k / 2.5) for k in range(10)]
        parts += fan(body.head, ways, 0.45 * body.skull, "accent")
    return parts


def _pattern(kind: Species, body: Anatomy) -> list[Part]:
    """Markings on the torso, more of them at later stages."""
    size = min(body.radii.real, body.radii.imag)
    count = 3 + 2 * kind.stage
    match kind.pattern:
        case "spots":
            spots = [0.85 * (k / count) ** 0.5 * np.exp(2.4j * k) for k in range(1, count + 1)]
            return [Part(ball(body.at(z), 0.17 * size), "accent", line=False) for z in spots]
        case "stripes":
            rows = np.linspace(-0.75, 0.65, count)
            bars = [(x - 1j * (1 - x * x) ** 0.5, x + 0.1 - 0.1j) for x in rows]
            return [_bar(body, *bar, (0.3 * size, 0)) for bar in bars]
        case "bands":
            rows = np.linspace(-0.65, 0.65, 2 + kind.stage)
            bars = [(x - 0.85j * (1 - x * x) ** 0.5, x + 0.85j * (1 - x * x) ** 0.5) for x in rows]
            return [_bar(body, *bar, (0.15 * size, 0.15 * size)) for bar in bars]
        case "saddle":
            radii = (0.5 + 0.07 * kind.stage) * body.radii
            return [Part(oval(body.at(-0.15 - 0.45j), radii), "accent", line=False)]
        case _:
            return []


def _bar(body: Anatomy, top: complex, bottom: complex, widths: tuple[float, float]) -> Part:
    return Part(limb(body.at(top), body.at(bottom), widths), "accent", line=False)


def _headgear(kind: Species, body: Anatomy) -> list[Part]:
    """Ears and crest, which stand behind the face."""
    centre, skull = body.head, body.skull
    parts = []
    for side in SIDES:
        root = centre + skull * (0.6 * side - 0.7j)
        parts += _EARS[kind.ears](root, skull * kind.limb * (0.45 * side - 1j))
    if "crest" in kind.extras:
        height = skull * (0.8 + 0.25 * kind.stage)
        ways = [height * np.exp(1j * angle) for angle in (-2.3, -1.9, -1.5, -1.1)]
        parts += fan(centre - 0.7j * skull, ways, 0.22 * skull, "accent")
    return parts


def _forehead(kind: Species, body: Anatomy) -> list[Part]:
    """Horn and gem, which stand before the skull."""
    skull = body.skull
    brow = body.head + skull * (0.15 - 0.65j)
    parts = []
    if "horn" in kind.extras:
        tip = brow + skull * (0.25 - 0.8j - 0.35j * kind.stage)
        parts.append(Part(limb(brow, tip, (0.22 * skull, 0)), "white"))
    if "gem" in kind.extras:
        facets = brow + skull * (0.12 + 0.05 * kind.stage) * np.array([1, 1.5j, -1, -1.5j])
        parts.append(Part(facets, "accent"))
    return parts


def _face(kind: Species, body: Anatomy, pose: Pose) -> list[Part]:
    skull = body.skull
    front = body.head + skull * (0.18 + 0.14 * pose.look)
    parts = []
    for side in SIDES:
        eye = front + skull * (0.42 * side - 0.12j)
        if pose.blink:
            shut = blade(eye - 0.2 * skull, eye + 0.2 * skull, 0.06 * skull, 0.2)
            parts.append(Part(shut, "ink", line=False))
        else:
            parts += _eye(kind, eye, skull, side)
    return parts + _MOUTHS[kind.mouth](front + 0.4j * skull, skull)


def _eye(kind: Species, eye: complex, skull: float, side: int) -> list[Part]:
    glint = Part(ball(eye + skull * (0.06 - 0.1j), 0.07 * skull), "white", line=False)
    if kind.eyes == "dot":
        return [Part(oval(eye, skull * (0.13 + 0.19j)), "ink", line=False), glint]
    parts = [
        Part(oval(eye, skull * (0.22 + 0.27j)), "white"),
        Part(oval(eye + 0.04 * skull, skull * (0.14 + 0.19j)), "ink", line=False),
        glint,
    ]
    if kind.eyes != "round":
        slope = 0.6 * side if kind.eyes == "fierce" else 0
        lid = oval(0, skull * (0.25 + 0.3j))
        lid.imag = np.minimum(lid.imag, -0.08 * skull - slope * lid.real)
        parts.append(Part(eye + lid, "shade"))
    return parts


def _ball_tail(root: complex, way: complex) -> list[Part]:
    return [
        Part(limb(root, root + way, (0.07, 0.05), 0.2), "coat"),
        Part(ball(root + way, 0.14), "accent"),
    ]


def _brush_tail(root: complex, way: complex) -> list[Part]:
    return [
        Part(blade(root + 0.1, root + 1.3 * way, 0.22, 0.15), "coat"),
        Part(blade(root + 0.8 * way, root + 1.35 * way, 0.14, 0.1), "belly", line=False),
    ]


def _flame_tail(root: complex, way: complex) -> list[Part]:
    tip = root + 0.7 * way
    turns = [0.8 * way * np.exp(1j * turn) for turn in (-0.5, 0.9, 0.2)]
    return [Part(limb(root, tip, (0.09, 0.06), 0.15), "coat"), *fan(tip, turns, 0.13, "accent")]


def _bolt_tail(root: complex, way: complex) -> list[Part]:
    zigzag = [0, 0.5 + 0.15j, 0.45 - 0.12j, 1 + 0.1j, 0.95 - 0.2j, 1.6 + 0.15j]
    back = [1.5 - 0.45j, 0.75 - 0.45j, 0.8 - 0.22j, 0.25 - 0.3j, 0.3 - 0.1j, 0.05 - 0.15j]
    return [Part(root + way * np.array(zigzag + back), "accent")]


def _curl_tail(root: complex, way: complex) -> list[Part]:
    turn = np.linspace(0, 1.6 * np.pi, 20)
    loop = 0.4 + 0.08 * turn - (0.4 - 0.02 * turn) * np.exp(1j * turn)
    return [Part(ribbon(root + way * loop, np.linspace(0.09, 0.04, 20)), "coat")]


def _fan_tail(root: complex, way: complex) -> list[Part]:
    turns = [1.1 * way * np.exp(1j * turn) for turn in (-0.6, -0.2, 0.2, 0.6)]
    return fan(root + 0.05, turns, 0.13, "accent")


def _pointed_ear(root: complex, way: complex) -> list[Part]:
    return [
        Part(blade(root - 0.25 * way, root + way, 0.32 * abs(way)), "coat"),
        Part(blade(root, root + 0.8 * way, 0.16 * abs(way)), "accent", line=False),
    ]


def _round_ear(root: complex, way: complex) -> list[Part]:
    middle = root + 0.15 * way
    return [
        Part(ball(middle, 0.42 * abs(way)), "coat"),
        Part(ball(middle, 0.24 * abs(way)), "accent", line=False),
    ]


def _long_ear(root: complex, way: complex) -> list[Part]:
    return [
        Part(blade(root - 0.1 * way, root + 1.7 * way, 0.3 * abs(way)), "coat"),
        Part(blade(root + 0.2 * way, root + 1.5 * way, 0.15 * abs(way)), "belly", line=False),
    ]


def _floppy_ear(root: complex, way: complex) -> list[Part]:
    end = root + complex(1.5 * way.real, -0.9 * way.imag)
    return [Part(blade(root, end, 0.28 * abs(way), -0.2 * np.sign(way.real)), "shade")]


def _antenna(root: complex, way: complex) -> list[Part]:
    tip = root + 1.1 * way
    return [
        Part(limb(root, tip, (0.04, 0.03), 0.15 * np.sign(way.real)), "ink"),
        Part(ball(tip, 0.18 * abs(way)), "accent"),
    ]


def _smile(mouth: complex, skull: float) -> list[Part]:
    width = 0.26 * skull
    return [Part(blade(mouth - width, mouth + width, 0.06 * skull, 0.3), "ink", line=False)]


def _snout(mouth: complex, skull: float) -> list[Part]:
    muzzle = Part(oval(mouth, skull * (0.36 + 0.26j)), "belly")
    nose = Part(oval(mouth - 0.12j * skull, skull * (0.14 + 0.09j)), "ink", line=False)
    return [muzzle, nose]


def _fangs(mouth: complex, skull: float) -> list[Part]:
    tips = [mouth + skull * (0.2 * side + 0.08j) for side in SIDES]
    teeth = [Part(limb(tip, tip + 0.28j * skull, (0.08 * skull, 0)), "white") for tip in tips]
    return [*_smile(mouth, 1.4 * skull), *teeth]


def _beak(mouth: complex, skull: float) -> list[Part]:
    tip = mouth + skull * (0.75 + 0.1j)
    return [Part(limb(mouth - 0.15j * skull, tip, (0.26 * skull, 0)), "accent")]


_TAILS: Mapping[str, Callable[[complex, complex], list[Part]]] = {
    "ball": _ball_tail,
    "brush": _brush_tail,
    "flame": _flame_tail,
    "bolt": _bolt_tail,
    "curl": _curl_tail,
    "fan": _fan_tail,
}
_EARS: Mapping[str, Callable[[complex, complex], list[Part]]] = {
    "pointed": _pointed_ear,
    "round": _round_ear,
    "long": _long_ear,
    "floppy": _floppy_ear,
    "antennae": _antenna,
}
_MOUTHS: Mapping[str, Callable[[complex, float], list[Part]]] = {
    "smile": _smile,
    "snout": _snout,
    "fangs": _fangs,
    "beak": _beak,
}
