"""Turns a prepared data set into the study's exploration: tables and pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from benchmark.data.checks import audit
from benchmark.data.figures import label, write_figure
from benchmark.data.folder import EXPLORATION
from benchmark.data.fonts import draw_line
from benchmark.data.prepared import PreparedData
from benchmark.data.splits import SPLITS
from benchmark.processes.leftovers import rewriting

CLASS_PICTURE = 96
"""Side of a class's picture in pixels, at most."""
_CONTACT_COLUMNS = 12
_SIZES = 10
"""How many the table of sizes has at most."""


def class_table(data: PreparedData) -> pd.DataFrame:
    """Count images by class and split.

    Returns:
        A row a class, in natural order: ``class``, ``images``, ``train``, ``val``, ``test``.
    """
    counts = pd.crosstab(
        pd.Series([sample.label for sample in data.samples], name="class"),
        pd.Series(data.splits, name="split"),
    ).reindex(index=data.class_names, columns=list(SPLITS), fill_value=0)
    counts.insert(0, "images", counts.sum(axis=1))
    return counts.rename_axis(index="class", columns=None).reset_index()


def size_table(data: PreparedData) -> pd.DataFrame:
    """List the most common image sizes.

    Returns:
        A row a size, the most common first: ``width``, ``height`` (pixels), ``images``, ``share``.
    """
    counts = Counter((sample.width, sample.height) for sample in data.samples)
    rows = [
        {"width": width, "height": height, "images": n, "share": n / len(data.samples)}
        for (width, height), n in counts.most_common(_SIZES)
    ]
    return pd.DataFrame(rows)


def summary(data: PreparedData) -> dict[str, float]:
    """Give the data set in numbers.

    Returns:
        Numbers of images, classes, images in the smallest, median and largest class, of each
        split, and of files left out.
    """
    images = class_table(data)["images"]
    return {
        "images": float(len(data.samples)),
        "classes": float(len(images)),
        "smallest_class": float(images.min()),
        "median_class": float(images.median()),
        "largest_class": float(images.max()),
        **{f"{split}_images": float(len(data.rows(split))) for split in SPLITS},
        "left_out": float(len(data.left_out)),
    }


def summary_table(data: PreparedData) -> pd.DataFrame:
    """`summary` as a table."""
    return pd.DataFrame(summary(data).items(), columns=["figure", "number"])


def findings_table(data: PreparedData) -> pd.DataFrame:
    """`audit` as a table: ``kind``, ``name``, ``detail``."""
    findings = [asdict(finding) for finding in audit(data)]
    return pd.DataFrame(findings, columns=["kind", "name", "detail"])


def split_table(data: PreparedData) -> pd.DataFrame:
    """Say where each image went: ``image``, ``class``, ``split``."""
    return pd.DataFrame(
        {
            "image": [sample.name for sample in data.samples],
            "class": [sample.label for sample in data.samples],
            "split": data.splits,
        }
    )


TABLES: Mapping[str, Callable[[PreparedData], pd.DataFrame]] = {
    "summary": summary_table,
    "classes": class_table,
    "sizes": size_table,
    "findings": findings_table,
    "splits": split_table,
}
SHOWN = ("summary", "classes", "sizes", "findings")
"""The tables that people read; the others are for programs."""
FILES = (*(f"{name}.csv" for name in TABLES), *EXPLORATION)
"""What `write_exploration` writes."""


def is_exploration(folder: Path) -> bool:
    """Whether `write_exploration` has written into a folder."""
    summary = folder / "summary.csv"
    return summary.is_file() and summary.read_bytes()[:100].startswith(b"figure,number")


def write_exploration(data: PreparedData, folder: Path) -> None:
    """Write each table as CSV, two charts as PNG, and a picture of each class.

    The pictures are in ``classes.png`` with their names, and without in ``classes.webp``.
    """
    for name, table in TABLES.items():
        with rewriting(folder / f"{name}.csv") as path:
            table(data).to_csv(path, index=False)
    with rewriting(folder / "class_distribution.png") as path:
        write_figure(path, lambda: _class_distribution(data))
    with rewriting(folder / "image_sizes.png") as path:
        write_figure(path, lambda: _image_sizes(data))
    sheet = draw_classes(data)
    with rewriting(folder / "classes.webp") as path:
        sheet.save(path, "WEBP", quality=75)
    with rewriting(folder / "classes.png") as path:
        draw_contact_sheet(sheet, data.class_names).save(path, "PNG")


def draw_classes(data: PreparedData) -> Image.Image:
    """Put an image of each class on one sheet, in the order of `class_table`, row by row.

    It is a train image, unless the class has none. One file, since a store on a server would answer
    for each of 151; `class_pictures` cuts it up.

    Returns:
        Squares of at most `CLASS_PICTURE` pixels, each with a picture in its true shape, as many
        rows as columns or one row less.
    """
    train_first = np.argsort(data.splits != "train", kind="stable")
    _, first = np.unique(data.labels[train_first], return_index=True)
    side = min(CLASS_PICTURE, data.images.shape[1])
    columns = math.isqrt(len(first) - 1) + 1
    sheet = Image.new("RGB", (columns * side, math.ceil(len(first) / columns) * side), "white")
    for i, row in enumerate(train_first[first]):
        size = data.shown_size(row, side)
        picture = Image.fromarray(data.images[row]).resize(size, Image.Resampling.LANCZOS)
        left, top = ((side - length) // 2 for length in size)
        sheet.paste(picture, (i % columns * side + left, i // columns * side + top))
    return sheet


def class_pictures(sheet: Image.Image, classes: int) -> list[Image.Image]:
    """Cut the sheet of `draw_classes` into the pictures of so many classes."""
    columns = math.isqrt(classes - 1) + 1
    side = sheet.width // columns
    corners = [(i % columns * side, i // columns * side) for i in range(classes)]
    return [sheet.crop((left, top, left + side, top + side)) for left, top in corners]


def draw_contact_sheet(sheet: Image.Image, names: Sequence[str]) -> Image.Image:
    """Put each picture of the sheet of `draw_classes` above the name of its class."""
    columns = min(_CONTACT_COLUMNS, math.isqrt(len(names) - 1) + 1)
    width, height = CLASS_PICTURE + 12, CLASS_PICTURE + 28
    size = columns * width, math.ceil(len(names) / columns) * height
    contacts = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(contacts)
    for i, (picture, name) in enumerate(zip(class_pictures(sheet, len(names)), names, strict=True)):
        left, top = i % columns * width, i // columns * height
        shown = picture.resize((CLASS_PICTURE, CLASS_PICTURE), Image.Resampling.LANCZOS)
        contacts.paste(shown, (left + 6, top + 6))
        place = (left + width / 2, top + height - 12)
        draw_line(draw, place, label(name), size=13, width=width - 4)
    return contacts


def _class_distribution(data: PreparedData) -> Figure:
    table = class_table(data).sort_values("images", ascending=False)
    figure = Figure(figsize=(max(7.0, 0.13 * len(table) + 2), 4.5), layout="constrained")
    axes = figure.subplots()
    bottom = pd.Series(0, index=table.index)
    for split in SPLITS:
        axes.bar(range(len(table)), table[split], bottom=bottom, label=split, width=0.85)
        bottom = bottom + table[split]
    axes.set_xticks(range(len(table)), [label(name) for name in table["class"]])
    axes.tick_params(axis="x", rotation=90, labelsize=6 if len(table) > 40 else 9)
    axes.margins(x=0.01)
    axes.set(
        title=f"{data.spec.name}: {len(data.samples):,} images of {len(table)} classes",
        ylabel="images",
    )
    axes.legend(loc="upper right", ncols=3, frameon=False)
    axes.set_ylim(top=1.15 * table["images"].max())
    return figure


def _image_sizes(data: PreparedData) -> Figure:
    counts = Counter((sample.width, sample.height) for sample in data.samples)
    widths, heights = zip(*counts, strict=True)
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    areas = [12 + 300 * n / len(data.samples) for n in counts.values()]
    axes.scatter(widths, heights, s=areas, alpha=0.5, linewidths=0)
    axes.set(
        title=f"{data.spec.name}: sizes of {len(data.samples):,} images",
        xlabel="width (pixels)",
        ylabel="height (pixels)",
    )
    axes.text(
        0.98,
        0.02,
        f"{len(counts):,} different sizes; area: number of images",
        transform=axes.transAxes,
        ha="right",
        fontsize=8,
    )
    axes.grid(alpha=0.3)
    return figure
