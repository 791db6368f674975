"""bench leaderboard and bench ls runs over thousands of runs, beside MLflow's own search."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.performance.images import divided
from tests.performance.measure import Comparison, Figures, Options, Side, compare, run_once
from tests.performance.store import DATABASE, bench, opened

SIZES, SMALL_SIZES = (1_000, 10_000), (30,)
SYSTEMS = 27
"""So many runs make one study, of a context of its own."""
TABLES = ("metrics", "latest_metrics", "params", "tags")
SEARCH = """
import mlflow
runs = mlflow.search_runs(search_all_experiments=True, max_results=1_000_000)
assert len(runs) > 0
"""


def run(options: Options) -> Iterator[Comparison]:
    """Copy one real run until the store has so many, and measure who reads it."""
    template = options.folder / "leaderboard"
    if not template.exists():
        _make_run(options, template)
    for size in SMALL_SIZES if options.small else SIZES:
        filled = options.folder / f"leaderboard-{size}"
        filled.mkdir()
        shutil.copy(template / DATABASE, filled)
        fill(filled, size)

        def prepare(folder: Path, filled: Path = filled) -> None:
            shutil.copy(filled / DATABASE, folder)

        python = (sys.executable, "-c")
        search = f"import mlflow; mlflow.set_tracking_uri('sqlite:///{DATABASE}'){SEARCH}"
        sides = [
            bench("bench leaderboard", ["leaderboard"], prepare=prepare, figures=no_figures),
            bench("bench ls runs", ["ls", "runs"], prepare=prepare, figures=no_figures),
            Side(name="mlflow.search_runs", command=(*python, search), prepare=prepare),
            Side(name="import mlflow", command=(*python, "import mlflow")),
        ]
        work = f"{size:,} runs"
        yield compare(work, sides, options.repeats, baseline="mlflow.search_runs")


def no_figures(folder: Path) -> Figures:
    """These commands only read."""
    return {}


def _make_run(options: Options, template: Path) -> None:
    template.mkdir()
    images = divided(options, classes=2, per_class=6)
    tiny = ["--set", "data.image_size=32", "--set", "train.epochs=5", "--no-explain"]

    def keep(folder: Path) -> Figures:
        shutil.copy(folder / DATABASE, template)
        return {}

    run_once(bench("a run", ["run", "basic_cnn", "--data", images, *tiny], figures=keep))


def fill(folder: Path, size: int) -> None:
    """Insert copies of the store's one network run until there are so many runs."""
    with opened(folder) as database:
        (template,) = database.execute(
            "SELECT run_uuid FROM tags WHERE key = 'kind' AND value = 'network'"
        ).fetchone()
        (there,) = database.execute("SELECT count(*) FROM runs").fetchone()
        copies = [uuid.uuid4().hex for _ in range(size - there)]
        for table in ("runs", *TABLES):
            _copy_rows(database, table, template, copies)
        changed = [
            (value.format(system=place % SYSTEMS, study=place // SYSTEMS), key, run)
            for place, run in enumerate(copies)
            for key, value in CHANGED.items()
        ]
        database.executemany("UPDATE tags SET value = ? WHERE key = ? AND run_uuid = ?", changed)
        database.execute(
            "UPDATE runs SET name = (SELECT value FROM tags WHERE tags.run_uuid = runs.run_uuid "
            "AND key = 'mlflow.runName')"
        )


CHANGED = {
    "mlflow.runName": "system-{system}",
    "system": "System {system}",
    "context": "{study:016x}",
}
"""The tags in which copies differ, so that they are no repetitions of one run."""


def _copy_rows(database: sqlite3.Connection, table: str, template: str, copies: list[str]) -> None:
    found = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (template,))
    columns = [column[0] for column in found.description]
    rows: list[tuple[Any, ...]] = found.fetchall()
    own = columns.index("run_uuid")
    places = ", ".join("?" * len(columns))
    database.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",
        ((*row[:own], copy, *row[own + 1 :]) for copy in copies for row in rows),
    )
