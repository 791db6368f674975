"""Turns judged pictures into a collector's catalogue: a table, and one page for any browser."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.classifier.collection import PictureFile
from benchmark.classifier.sorting import UNKNOWN
from benchmark.classifier.tracked import Answer
from benchmark.classifier.verdict import Verdict
from benchmark.data.copies import SIDE, first_of_copies
from benchmark.data.findings import LeftOut
from benchmark.data.framing import shown_size
from benchmark.data.names import natural_key
from benchmark.report.page import environment, source
from registry import InputSpec
from registry.printable import printable
from registry.weights import file_hash

THUMBNAIL = 144
"""Longest side in pixels of a picture on the page."""
_MOST_TOLD = 5
"""So many classes of a picture are kept: four are told, and whether there are more."""
COLUMNS = ("image", "class", "probability", "doubtful", "reason", "copy_of")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A picture of a catalogue.

    Attributes:
        name: Its file's.
        link: Address of the file.
        verdict: What it is; of the classes, the most probable few.
        thumbnail: JPEG, for the page.
        small: (SIDE, SIDE, 3), to find copies by.
        digest: Of the file's bytes.
    """

    name: str
    link: str
    verdict: Verdict
    thumbnail: bytes
    small: NDArray[np.uint8]
    digest: str

    @classmethod
    def of(cls, file: PictureFile, answer: Answer, verdict: Verdict, input_: InputSpec) -> Entry:
        """Take what is to be shown of a picture that could be read."""
        assert answer.decoded is not None
        size = shown_size(answer.decoded.size, input_, THUMBNAIL)
        thumbnail, small = shrink(answer.decoded.pixels, size)
        possible = verdict.possible and verdict.possible[:_MOST_TOLD]
        return cls(
            name=file.name,
            link=file.path.resolve().as_uri(),
            verdict=replace(verdict, ranking=verdict.ranking[:_MOST_TOLD], possible=possible),
            thumbnail=thumbnail,
            small=small,
            digest=file_hash(file.path),
        )

    @property
    def doubt(self) -> str:
        """Why a person should look; empty if there is no reason to."""
        verdict = self.verdict
        if verdict.unknown:
            return "resembles nothing known"
        if verdict.possible is None or verdict.unknown is None:  # too few val images to tell
            unsure = verdict.margin < 0.5 and len(verdict.ranking) > 1
            return f"or {verdict.ranking[1][0]}" if unsure else ""
        if len(verdict.possible) > 1:
            others = ", ".join(verdict.possible[1:4]) + (", …" if len(verdict.possible) > 4 else "")
            return f"or {others}"
        return ""

    @property
    def group(self) -> str:
        """Under what it stands: its class, or `UNKNOWN`."""
        return UNKNOWN if self.verdict.unknown else self.verdict.label

    @property
    def source(self) -> str:
        """The thumbnail as an address."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.thumbnail).decode()}"


def shrink(pixels: NDArray[np.uint8], size: tuple[int, int]) -> tuple[bytes, NDArray[np.uint8]]:
    """Make of the square that a network sees what a catalogue shows and what it compares.

    Args:
        pixels: (S, S, 3).
        size: Width and height of the thumbnail.
    """
    picture = Image.fromarray(pixels)
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=80)
    return file.getvalue(), np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def copies(entries: Sequence[Entry]) -> list[int]:
    """Find of each picture the first that it is a copy of: itself, if of none."""
    return first_of_copies(
        [entry.digest for entry in entries],
        np.stack([entry.small for entry in entries]),
        [entry.verdict.label for entry in entries],
    )


def write_table(
    file: Path, entries: Sequence[Entry], first: Sequence[int], left_out: Sequence[LeftOut]
) -> None:
    """Write a row a picture, the doubtful first, then what could not be read.

    Args:
        file: CSV.
        entries: The pictures.
        first: What each is a copy of; see `copies`.
        left_out: What could not be read.
    """
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        for place in _doubtful_first(entries):
            one = entries[place]
            copy_of = entries[first[place]].name if first[place] != place else ""
            doubtful = "yes" if one.doubt else "no"
            share = f"{one.verdict.probability:.4f}"
            row = [one.name, one.verdict.label, share, doubtful, one.doubt, copy_of]
            writer.writerow([printable(value) for value in row])
        for other in left_out:
            row = [other.name, "", "", "", f"not read: {other.reason}", ""]
            writer.writerow([printable(value) for value in row])


def render_catalogue(
    title: str,
    classifier: str,
    entries: Sequence[Entry],
    first: Sequence[int],
    left_out: Sequence[LeftOut],
) -> str:
    """Fill the page: the doubtful first, then each class with its pictures, copies together.

    Args:
        title: Its heading.
        classifier: Who judged.
        entries: The pictures.
        first: What each is a copy of; see `copies`.
        left_out: What could not be read.
    """
    order = _doubtful_first(entries)
    classes: dict[str, dict[int, list[Entry]]] = {}
    for place in order:
        label = entries[first[place]].group  # copies stay with the first
        classes.setdefault(label, {}).setdefault(first[place], []).append(entries[place])
    groups = {
        label: [*own.values()]
        for label, own in sorted(
            classes.items(), key=lambda item: (item[0] == UNKNOWN, natural_key(item[0]))
        )
    }
    return (
        environment()
        .get_template("catalogue.html.j2")
        .render(
            title=title,
            classifier=classifier,
            style=source("report.css", "catalogue.css"),
            count=len(entries),
            different=len(set(first)),
            doubtful=[entries[place] for place in order if entries[place].doubt],
            groups=groups,
            classes=number_of_classes(entries, first),
            left_out=left_out,
        )
    )


def number_of_classes(entries: Sequence[Entry], first: Sequence[int]) -> int:
    """Count the classes of the pictures, copies by the first of them, without what is unknown.

    Args:
        entries: The pictures.
        first: What each is a copy of; see `copies`.
    """
    verdicts = [entries[place].verdict for place in {*first}]
    return len({verdict.label for verdict in verdicts if not verdict.unknown})


def _doubtful_first(entries: Sequence[Entry]) -> list[int]:
    """Places of the entries: the doubtful first, the least probable first."""
    return sorted(
        range(len(entries)),
        key=lambda place: (not entries[place].doubt, entries[place].verdict.probability),
    )
