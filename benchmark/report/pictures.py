"""Turns logged pictures into small images inside the page, and predictions into what they show."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap

from PIL import Image

from benchmark.explain.deletion import is_better, told
from benchmark.explain.gallery import Explained
from benchmark.report.artifacts import Artifacts, Exploration
from benchmark.report.classes import Confusion, confusions
from benchmark.report.collect import RankedSystem

GALLERY_SIDE = 160
CLASS_SIDE = 96
QUALITY = 60
MISTAKES = 8
CONFUSED_PAIRS = 8
CONFUSED_SYSTEMS = 3


def data_uri(image: Image.Image, side: int) -> str:
    """Shrink a picture to a side of at most so many pixels and write it into an address."""
    small = image.copy()
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a system made of an image.

    Attributes:
        picture: The image under its heatmap, or None.
        predicted: The most probable class; empty where the store does not tell.
        probability: Of that class.
        right: Whether it is the true one.
        worth: What was measured of the heatmap, and its verdict; empty where nothing was.
    """

    picture: str | None
    predicted: str
    probability: float
    right: bool
    worth: str = ""


@dataclass(frozen=True, kw_only=True)
class GalleryRow:
    """A test image, and a cell for each system."""

    name: str
    true: str
    original: str | None
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An image that the best system is sure of and wrong about."""

    original: str | None
    overlay: str | None
    true: str
    predicted: str
    probability: float


def gallery(systems: Sequence[RankedSystem], artifacts: Artifacts) -> list[GalleryRow]:
    """Put the explained images of all systems into one table, the systems as columns."""
    with_images = [system for system in systems if system.explanations]
    if not with_images:
        return []
    first = max(with_images, key=lambda system: len(_images(system)))
    return [
        GalleryRow(
            name=image.name,
            true=image.true,
            original=_picture(artifacts, first, image.original),
            cells=[_cell(system, image, artifacts) for system in systems],
        )
        for image in _images(first).values()
    ]


def _images(system: RankedSystem) -> dict[str, Explained]:
    found = system.explanations.images if system.explanations else []
    return {image.name: image for image in found}


def _picture(artifacts: Artifacts, system: RankedSystem, name: str) -> str | None:
    image = artifacts.image(system.run, f"explanations/{name}")
    return None if image is None else data_uri(image, GALLERY_SIDE)


def _cell(system: RankedSystem, image: Explained, artifacts: Artifacts) -> Cell:
    worth = ""
    if own := _images(system).get(image.name):
        picture = _picture(artifacts, system, own.overlay)
        predicted, probability = own.predicted, own.probability
        if own.deletion_auc is not None and own.deletion_auc_random is not None:
            worth = told(own.deletion_auc, own.deletion_auc_random)
    else:
        picture, (predicted, probability) = None, _prediction(system, image.name)
    return Cell(
        picture=picture,
        predicted=predicted,
        probability=probability,
        right=predicted == image.true,
        worth=worth,
    )


def map_worth(system: RankedSystem) -> str:
    """Count the images on which a system's map did better than random order."""
    measured = [
        (image.deletion_auc, image.deletion_auc_random)
        for image in _images(system).values()
        if image.deletion_auc is not None and image.deletion_auc_random is not None
    ]
    better = sum(starmap(is_better, measured))
    return f"better than random on {better} of {len(measured)}" if measured else ""


def _prediction(system: RankedSystem, name: str) -> tuple[str, float]:
    """What a system without a picture of an image said of it."""
    if system.predictions is None:
        return "", 0.0
    row = system.predictions[system.predictions["image"] == name]
    return ("", 0.0) if row.empty else (row["predicted"].iloc[0], row["probability"].iloc[0])


def mistakes(
    systems: Sequence[RankedSystem], artifacts: Artifacts
) -> tuple[RankedSystem | None, list[Mistake]]:
    """Show the surest mistakes of the best system that has pictures of them."""
    for system in systems:
        if system.explanations and system.explanations.mistakes:
            surest = sorted(system.explanations.mistakes, key=lambda one: -one.probability)
            return system, [
                Mistake(
                    original=_picture(artifacts, system, one.original),
                    overlay=_picture(artifacts, system, one.overlay),
                    true=one.true,
                    predicted=one.predicted,
                    probability=one.probability,
                )
                for one in surest[:MISTAKES]
            ]
    return None, []


def confused(systems: Sequence[RankedSystem]) -> list[tuple[RankedSystem, list[Confusion]]]:
    """List the most confused pairs of classes of the best systems."""
    known = [system for system in systems if system.predictions is not None]
    return [
        (system, confusions(system.predictions, CONFUSED_PAIRS))
        for system in known[:CONFUSED_SYSTEMS]
        if system.predictions is not None
    ]


def class_uris(
    pairs: Sequence[tuple[RankedSystem, list[Confusion]]], exploration: Exploration | None
) -> Mapping[str, str]:
    """Draw the classes of the first system's pairs."""
    if exploration is None or not pairs:
        return {}
    shown = {name for pair in pairs[0][1] for name in (pair.first, pair.second)}
    return {
        name: data_uri(exploration.pictures[name], CLASS_SIDE)
        for name in sorted(shown & set(exploration.pictures))
    }
