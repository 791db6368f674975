"""Turns a comparison into one HTML page: the images that tell systems apart, side by side."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmark.classifier.record import read_record
from benchmark.data.home import home
from benchmark.data.image_store import store_folder
from benchmark.data.prepared import PreparedData
from benchmark.ranking.comparison import Comparison
from benchmark.report.charts import accuracy_bar
from benchmark.report.page import environment, source, write_page
from benchmark.report.pictures import data_uri
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker

SHOWN = 120
"""So many images a page shows; the table has all."""
SIDE = 128


def write_comparison(comparison: Comparison, store: Store, out: Path) -> int:
    """Write the page.

    Args:
        comparison: What it shows.
        store: Where the runs are, which say where the images are.
        out: The file.

    Returns:
        How many of the images it shows with a picture: none if they are no longer kept here.

    Raises:
        UserError: The file cannot be written.
    """
    rows = comparison.images.head(SHOWN)
    pictures = _pictures(comparison, store, [*rows["image"]])
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            comparison=comparison,
            rows=rows.to_dict("records"),
            right=comparison.right,
            pictures=pictures,
            accuracy_bar=accuracy_bar,
            style=source("report.css"),
        )
    )
    write_page(page, out)
    return len(pictures)


def _pictures(comparison: Comparison, store: Store, names: list[str]) -> dict[str, str]:
    """Images by name, as they are kept decoded for the first run's network."""
    record = read_record(Tracker(store), comparison.run_id)
    spec, kept = record.data, home(write=False)
    if not store_folder(kept, spec.fingerprint, spec.image_size, record.input).exists():
        return {}
    data = PreparedData(spec, kept, record.input)
    rows = {sample.name: row for row, sample in enumerate(data.samples)}
    found = {}
    for name in names:
        if name in rows:
            picture = Image.fromarray(data.images[rows[name]])
            found[name] = data_uri(picture.resize(data.shown_size(rows[name], SIDE)), SIDE)
    return found
