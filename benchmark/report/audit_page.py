"""Turns an audit of a data set into one page for any browser, and its table as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.audit.inspection import Inspection
from benchmark.data.eda import CLASS_PICTURE
from benchmark.data.looks import TINY
from benchmark.processes.leftovers import rewriting
from benchmark.report.page import environment, source
from benchmark.report.pictures import data_uri

FILES = ("audit.html", "audit.csv", "shortcuts.csv")
SHOWN = 60
"""Of a kind, the page shows so many; audit.csv has all."""
MEANINGS: Mapping[str, str] = {
    "copy in another class": "The same file lies in two classes. It is trained on, and kept out of "
    "val and test: nobody can say what would be right.",
    "near copy in another class": "The same picture in two classes, resized, recompressed, "
    "mirrored or cropped. It is trained on, and kept out of val and test.",
    "suspicious label": "A linear probe, fitted without the image, is confident of another class; "
    "the surest first. Some labels are wrong, other images merely hard: look before you leave one "
    "out. Beside it is a picture of the class that the probe names.",
    "outlier": "Like no other image of the data.",
    "blank": "Next to nothing is seen.",
    "dark": "Hardly anything is seen.",
    "blurred": "No edge is sharp.",
    "tiny": f"Fewer than {TINY} pixels wide or high.",
    "copy": "The same file twice. Copies share a part.",
    "near copy": "The same picture, resized, recompressed, mirrored or cropped. Copies share a "
    "part.",
}
"""What the kinds of findings that have pictures mean, in the order of the page."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A finding with its picture, and the picture that it is to be compared with."""

    name: str
    label: str
    detail: str
    picture: str
    other: str | None


def write_audit(found: Inspection, folder: Path) -> None:
    """Write `FILES`: the page, all findings and how well each property tells the class."""
    for name, table in (("audit.csv", found.table), ("shortcuts.csv", found.shortcuts)):
        with rewriting(folder / name) as path:
            table.to_csv(path, index=False)
    with rewriting(folder / "audit.html") as path:
        path.write_text(render_audit(found), encoding="utf-8")


def render_audit(found: Inspection) -> str:
    """Fill the page."""
    rows = found.table.to_dict("records")
    spec = found.data.spec
    return (
        environment()
        .get_template("audit.html.j2")
        .render(
            title=f"{spec.name}: what is doubtful",
            style=source("report.css", "catalogue.css"),
            spec=spec,
            counts=found.counts().to_dict("records"),
            shortcuts=found.shortcuts.to_dict("records"),
            probe_accuracy=found.probe_accuracy,
            kinds=[
                (kind, meaning, len(own), _cards(found, own[:SHOWN]))
                for kind, meaning in MEANINGS.items()
                if (own := [row for row in rows if row["kind"] == kind])
            ],
            others=[row for row in rows if row["kind"] not in MEANINGS],
        )
    )


def _cards(found: Inspection, rows: Sequence[Mapping[object, object]]) -> list[Card]:
    data = found.data
    places = {sample.name: row for row, sample in enumerate(data.samples)}
    suspicious = set(found.table.loc[found.table["kind"] == "suspicious label", "name"])
    for label, name in enumerate(data.class_names):
        # Of a class, an image that is not in doubt itself.
        own = np.flatnonzero(data.labels == label)
        sound = [row for row in own if data.samples[row].name not in suspicious]
        places.setdefault(name, int((sound or own)[0]))

    def picture(name: object) -> str | None:
        row = places.get(str(name))
        if row is None:
            return None
        return data_uri(Image.fromarray(data.images[row]), CLASS_PICTURE)

    return [
        Card(
            name=str(row["name"]),
            label=str(row["label"]),
            detail=str(row["detail"]),
            picture=picture(row["name"]) or "",
            other=picture(row["other"]),
        )
        for row in rows
    ]
