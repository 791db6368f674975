"""MLflow's pages as `bench ui` opens them, in a real browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from benchmark.cli import main
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import rank_systems
from benchmark.tracking.store import Store
from tests.test_cli import TINY

if TYPE_CHECKING:
    import pandas as pd
    from playwright.sync_api import Browser, Page

SYSTEMS = ("convmixer", "resnet18-staged", "resnet18-frozen")
"""One of each part of the study."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A store behind `bench ui`.

    Attributes:
        runs: Completed, in the order of the leaderboard.
        table: Address of the runs table that `bench ui` printed.
        comparison: Address of the comparison that it printed.
    """

    runs: pd.DataFrame
    table: str
    comparison: str


@pytest.fixture(scope="module")
def served(
    browser: Browser, image_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BENCH_HOME", str(folder / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", str(folder / "artifacts"))
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "pages")
        ran = CliRunner().invoke(main, ["run", *SYSTEMS, "--data", str(image_folder), *TINY])
        assert ran.exit_code == 0, ran.output
        store = Store()
        runs = rank_systems(store, fetch(store)).table
        client = MlflowClient(store.uri)
        for run_id in runs["run_id"]:
            picture = np.full((40, 60, 3), 128, dtype=np.uint8)
            client.log_image(run_id, picture, key="explanations/red", step=0)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        ui = subprocess.Popen(
            [sys.executable, "-m", "benchmark.cli", "ui", "--port", port],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert ui.stdout is not None
        said = list(takewhile(lambda line: "Ctrl-C" not in line, ui.stdout))
        table, comparison = (line.strip() for line in said if line.startswith("  http"))
        yield Served(runs=runs, table=table, comparison=comparison)
        with urlopen(table.partition("#")[0]):  # an open page does not keep it from ending
            ui.send_signal(signal.SIGINT)
            assert ui.wait(60) == 0


def test_the_table_opens_with_the_runs_in_the_order_of_the_leaderboard(
    page: Page, served: Served
) -> None:
    page.goto(served.table)
    cells = page.locator("[role=gridcell][col-id='metrics.`test_accuracy`']")
    cells.nth(len(SYSTEMS) - 1).wait_for()
    shown = dict(
        cells.evaluate_all(
            "all => all.map(one => [+one.closest('[row-index]').ariaRowIndex, one.innerText])"
        )
    )
    accuracies = [float(shown[row]) for row in sorted(shown)]
    assert accuracies == pytest.approx(served.runs["test_accuracy"].tolist())
    for column in ("group", "system", "study_accuracy", "best_val_accuracy", "weights"):
        assert page.get_by_role("columnheader", name=column, exact=True).first.is_visible()
    assert page.get_by_placeholder("Ask a question").count() == 0  # MLflow's assistant


def test_the_comparison_has_parameters_pictures_and_curves(page: Page, served: Served) -> None:
    page.set_viewport_size({"width": 1600, "height": 3500})  # MLflow draws only what is in sight
    page.goto(served.comparison)
    name = page.get_by_text("system.schedule", exact=True)
    schedules = page.get_by_role("row").filter(has=name)
    schedules.wait_for()
    assert {"scratch", "staged", "frozen"} <= set(schedules.inner_text().split())
    pictures = page.locator("img.rc-image-img")
    pictures.nth(len(SYSTEMS) - 1).wait_for()
    loaded = "[...document.querySelectorAll('img.rc-image-img')].every(one => one.naturalWidth > 0)"
    page.wait_for_function(loaded)
    for title in ("train_loss vs val_loss", "train_accuracy vs val_accuracy"):
        card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text=title)
        card.locator(".scatterlayer .trace").nth(2 * len(SYSTEMS) - 1).wait_for(state="attached")


def test_a_run_has_its_description_and_its_files(page: Page, served: Served) -> None:
    page.goto(served.table)
    page.get_by_role("link", name="convmixer-scratch").click()
    page.get_by_text("(from scratch), weights: none").wait_for()
    banner = page.locator("img[src*='strip.png']")
    banner.wait_for()
    page.wait_for_function("one => one.naturalWidth > 0", arg=banner.element_handle())
    page.get_by_role("tab", name="Artifacts").click()
    for name in ("confusion.png", "explanations", "predictions", "training.png"):
        page.get_by_text(name, exact=True).wait_for()
    menu = page.get_by_role("navigation")
    assert menu.get_by_role("link", name="Runs").is_visible()  # not the mode for language models
