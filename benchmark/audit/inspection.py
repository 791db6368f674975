"""Turns a source into all that is doubtful about it: copies, shortcuts, labels, odd images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.audit.probe import (
    Suspicion,
    embed_images,
    held_out_probabilities,
    outliers,
    probe_images,
    suspicious_labels,
)
from benchmark.audit.shortcuts import find_shortcuts
from benchmark.data.checks import ACROSS, audit
from benchmark.data.looks import Look
from benchmark.data.prepared import PreparedData
from benchmark.data.selection import find_images, select_images
from benchmark.study.config import Config

COLUMNS = ("kind", "name", "label", "detail", "other", "sure")
_BLANK, _DARK, _BLURRED = 8.0, 60.0, 0.025
"""Contrast, brightness with twice the contrast, and sharpness, below which an image is odd."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What an audit found.

    Attributes:
        data: The images.
        table: A row a finding: ``kind``, ``name`` (of an image or a class), ``label`` (its class),
            ``detail``, ``other`` (the image or class that it is to be compared with) and ``sure``.
        shortcuts: See `find_shortcuts`.
        probe_accuracy: Of the held-out probe, which says what its suspicions are worth.
    """

    data: PreparedData
    table: pd.DataFrame
    shortcuts: pd.DataFrame
    probe_accuracy: float

    def counts(self) -> pd.DataFrame:
        """A row a kind of finding: ``finding``, ``count``, ``example``."""
        groups = self.table.groupby("kind", sort=False)
        return pd.DataFrame(
            [
                {
                    "finding": kind,
                    "count": len(own),
                    "example": " ".join(filter(None, own.iloc[0][["name", "detail"]])),
                }
                for kind, own in groups
            ],
            columns=["finding", "count", "example"],
        )

    def exclusions(self) -> list[dict[str, str]]:
        """What one would leave out: all copies but the first, images of two classes, blank ones.

        Suspicious labels are for people to judge: those that are right are the hard images, and
        without them a test would be too easy.
        """
        rows: dict[str, dict[str, str]] = {}

        def add(name: str, reason: str, detail: str) -> None:
            rows.setdefault(name, {"image": name, "reason": reason, "detail": detail})

        told = self.table[["kind", "name", "detail", "other"]]
        for kind, name, detail, other in told.itertuples(index=False):
            if kind.endswith(ACROSS):
                add(name, kind, detail)
                add(other, kind, f"of {name}")
            elif kind in ("copy", "near copy", "blank"):
                add(name, kind, detail)
        return list(rows.values())


def inspect_source(
    config: Config, home: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Inspection:
    """Audit a data set.

    Args:
        config: Which images; ``data.split_seed`` is also that of the folds and the forests.
        home: Folder of the stores.
        progress: Called with (images done, images in all) while they are read.
    """
    seed = config.data.split_seed
    examined = find_images(config, home, progress)
    data = probe_images(select_images(config, examined), seed, home, progress)
    looks = examined.by_name
    own = [looks.get(sample.name) for sample in data.samples]
    embeddings = embed_images(data)
    probabilities = held_out_probabilities(embeddings, data.labels, data.groups, seed)
    rows = [
        *_of_files(data),
        *_of_labels(data, suspicious_labels(probabilities, data.labels)),
        *_odd(data, own),
        *_far(data, outliers(embeddings)),
    ]
    return Inspection(
        data=data,
        table=pd.DataFrame(rows, columns=list(COLUMNS)),
        shortcuts=find_shortcuts(
            own, data.labels, data.splits == "train", seed, groups=data.groups
        ),
        probe_accuracy=float((probabilities.argmax(axis=1) == data.labels).mean()),
    )


Row = Mapping[str, object]


def _of_files(data: PreparedData) -> Iterator[Row]:
    labels = {sample.name: sample.label for sample in data.samples}
    for finding in audit(data):
        other = finding.detail.removeprefix("of ")
        yield {
            "kind": finding.kind,
            "name": finding.name,
            "label": labels.get(finding.name, ""),
            "detail": finding.detail,
            "other": other if other in labels else "",
        }
    for one in data.left_out:
        if one.other in labels:
            told = {"name": one.other, "label": labels[one.other], "other": one.name}
            yield {"kind": f"copy{ACROSS}", "detail": f"of {one.name}", **told}


def _of_labels(data: PreparedData, suspicions: list[Suspicion]) -> Iterator[Row]:
    for one in suspicions:
        sample, suggested = data.samples[one.row], data.class_names[one.suggested]
        yield {
            "kind": "suspicious label",
            "name": sample.name,
            "label": sample.label,
            "detail": f"rather {suggested}",
            "other": suggested,
            "sure": round(one.margin, 4),
        }


def _odd(data: PreparedData, looks: list[Look | None]) -> Iterator[Row]:
    for sample, look in zip(data.samples, looks, strict=True):
        if look is None:
            continue
        told = {"name": sample.name, "label": sample.label}
        if look.contrast < _BLANK:
            yield {"kind": "blank", "detail": f"contrast {look.contrast:.1f} of 255", **told}
        elif look.brightness + 2 * look.contrast < _DARK:
            yield {"kind": "dark", "detail": f"brightness {look.brightness:.1f} of 255", **told}
        elif look.sharpness < _BLURRED:
            yield {"kind": "blurred", "detail": f"sharpness {look.sharpness:.3f}", **told}
        if look.is_tiny:
            yield {"kind": "tiny", "detail": f"{look.width} x {look.height} pixels", **told}


def _far(data: PreparedData, found: list[tuple[int, float]]) -> Iterator[Row]:
    for row, far in found:
        sample = data.samples[row]
        yield {
            "kind": "outlier",
            "name": sample.name,
            "label": sample.label,
            "detail": f"{far:.1f} deviations from its nearest",
            "sure": round(far, 2),
        }
