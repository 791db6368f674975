"""`bench pick`: what it says where no row within the limits is as good as the best."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner

from benchmark.cli import main
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import log


def test_a_row_that_could_not_be_compared_is_not_called_worse(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store)
    log(tracker, "best", 0.9, 0.9, tmp_path / "0", hardware="a card")
    poor = log(tracker, "poor", 0.3, 0.3, tmp_path / "1", hardware="a card")
    with tracker.artifact(poor, "predictions") as folder:
        shutil.rmtree(folder)
    told = CliRunner().invoke(main, ["pick", "--latency", "5ms"]).stdout
    assert "No row within these limits is known to be tied with the best\n" in told
    assert "it cannot be told, since the test predictions of one of them are gone" in told
