"""Near copies: what was planted is found, in any disguise, and nothing that is merely alike."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.data import alignment, copies
from benchmark.data.copies import SIDE, Pair, find_copies, first_of_copies
from tests.data.planted import TAMPERED, scene

SCENES = 40
HOW = {
    "mirrored": "mirrored",
    "cropped": "cropped",
    "mirrored_cropped": "mirrored and cropped",
}


def thumbnails(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    side = (SIDE, SIDE)
    small = [picture.convert("RGB").resize(side, Image.Resampling.BOX) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in small])


def found(pictures: list[Image.Image]) -> list[Pair]:
    return find_copies(thumbnails(pictures), ["a"] * len(pictures))


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_copies_are_found_and_nothing_else(name: str) -> None:
    """Recall at least 95%, precision 1, of 40 planted copies among 80 images."""
    originals = [scene(seed) for seed in range(SCENES)]
    pairs = found(originals + [TAMPERED[name](picture) for picture in originals])
    planted = {frozenset((row, row + SCENES)) for row in range(SCENES)}
    told = {frozenset((pair.first, pair.second)) for pair in pairs}
    assert told <= planted
    assert len(told) >= 0.95 * SCENES
    assert {pair.how for pair in pairs} == {HOW.get(name, "same picture")}
    assert [pair.alike for pair in pairs] == sorted((p.alike for p in pairs), reverse=True)


def test_two_crops_of_one_picture_are_named_by_what_was_cropped() -> None:
    original = scene(1)
    (pair,) = found([TAMPERED["cropped"](original), scene(2), original])
    assert (pair.first, pair.second, pair.how) == (0, 2, "cropped")


def test_pictures_of_one_colour_are_no_copies_of_each_other() -> None:
    assert found([Image.new("RGB", (64, 64), (200, 200, 200 + i)) for i in range(5)]) == []


def test_the_same_shape_in_another_colour_is_no_copy() -> None:
    picture = scene(3)
    red, green, blue = picture.split()
    assert found([picture, Image.merge("RGB", (blue, green, red))]) == []


def test_copies_of_copies_have_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes, the mirror of these, a crop of it; another picture between them."""
    picture = scene(1)
    mirrored = TAMPERED["mirrored"](picture)
    pictures = [picture, scene(2), picture, mirrored, TAMPERED["cropped"](mirrored)]
    known = ["a", "b", "a", "c", "d"], thumbnails(pictures), ["one"] * 5
    assert first_of_copies(*known) == [0, 1, 0, 0, 0]
    monkeypatch.setattr(copies, "MOST", 4)
    assert first_of_copies(*known) == [0, 1, 0, 3, 4]


def test_crops_are_looked_for_within_classes_if_there_are_many_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copies, "CROPS_OF_ALL", 3)
    pictures = [crop(scene(seed)) for seed in (1, 2) for crop in (TAMPERED["cropped"], lambda p: p)]
    pairs = find_copies(thumbnails(pictures), ["a", "a", "a", "b"])
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1)]
    assert find_copies(thumbnails([*pictures, scene(3), scene(4)]), ["a"] * 6) == []
    smaller = [*pictures[1::2], *map(TAMPERED["smaller"], pictures[1::2])]
    whole = find_copies(thumbnails(smaller), ["a", "a", "b", "b"])
    assert {frozenset((pair.first, pair.second)) for pair in whole} == {
        frozenset((0, 2)),
        frozenset((1, 3)),
    }


def film(frames: int) -> list[Image.Image]:
    """A camera that does not move; something small does, slowly."""
    pictures = [scene(1) for _ in range(frames)]
    for i, picture in enumerate(pictures):
        picture.paste((255, 0, 0), (i, 20, i + 6, 26))
    return pictures


def test_a_film_is_compared_with_few_frames_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = 0

    def counted(*arguments: NDArray[np.float32] | int) -> NDArray[np.float32]:
        nonlocal aligned
        aligned += len(arguments[0])  # type: ignore[arg-type]
        return alignment.align(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(copies, "align", counted)
    frames = 60
    found(film(frames))
    all_ = aligned
    monkeypatch.setattr(copies, "_NEAREST", 8)
    aligned = 0
    told = {frozenset((pair.first, pair.second)) for pair in found(film(frames))}
    assert aligned <= 2 * frames * 8 < all_
    assert all(any(row in rows for rows in told) for row in range(frames))
    monkeypatch.setattr(copies, "_ENOUGH", 2)
    monkeypatch.setattr(copies, "_CHUNK", frames)
    aligned = 0
    assert found(film(frames))
    assert aligned <= 2 * frames * 3


def test_windows_cover_every_corner() -> None:
    spans = {(round(w.left, 2), round(w.left + w.width, 2)) for w in copies.WINDOWS}
    assert {(0, 1), (0, 0.7), (0.3, 1), (0.1, 1), (0, 0.9)} <= spans
    assert len(copies.WINDOWS) == len(set(itertools.product(spans, spans)))
