"""What is said where predictions are gone, and where they are there and cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from benchmark.cli import main
from benchmark.ranking.remarks import remarks
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import compare, rank_systems, repeats
from benchmark.ranking.tables import summary
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import IMAGES, log
from tests.test_cli import assert_one_line_error

OF_ITSELF = ["test_accuracy_low", "test_accuracy_high", "error_images", "error_seeds"]


@pytest.fixture
def ids(store: Store, workplace: Path) -> dict[str, str]:
    """Of runs: the best, a good one's two seeds, and one that guesses."""
    kinds = [("best", 0.9, 0.9, 0), ("good", 0.8, 0.5, 0), ("good", 0.7, 0.5, 1)]
    return {
        f"{name} {seed}": log(
            Tracker(store), name, skill, val, workplace / f"{name}{seed}", seed=seed
        )
        for name, skill, val, seed in [*kinds, ("guessing", 0.3, 0.1, 0)]
    }


def artifact_of(run_id: str) -> Path:
    (file,) = Path("artifacts").rglob(f"{run_id}/artifacts/predictions/test.csv")
    return file


def test_rows_keep_their_own_intervals_where_the_bests_predictions_are_gone(
    ids: dict[str, str], store: Store
) -> None:
    whole = rank_systems(store, fetch(store))
    kept = {id_: table for id_, table in whole.answers.items() if id_ != ids["best 0"]}
    chosen = repeats(fetch(store))
    unknown = chosen.assign(best_val_accuracy=np.nan)
    for ranking in (compare(chosen, kept), compare(unknown, whole.answers)):
        own = ranking.table.set_index("run").loc[["good", "guessing"]]
        before = whole.table.set_index("run").loc[["good", "guessing"]]
        np.testing.assert_array_equal(
            own[OF_ITSELF].to_numpy(float), before[OF_ITSELF].to_numpy(float)
        )
        assert own["test_images"].tolist() == [IMAGES, IMAGES]
        assert own["verdict"].tolist() == ["", ""]
        assert own["difference"].isna().all()
    gone = compare(chosen, kept)
    assert any("chance" in line and "guessing" in line for line in remarks(gone, {}, store))


def unreadable(reason: str, monkeypatch: pytest.MonkeyPatch, id_: str) -> None:
    """Let a run's artifacts be reached through MLflow alone, which fails for a reason."""
    read: Any = LocalArtifactRepository.list_artifacts

    def listed(repository: Any, path: str | None = None) -> Any:
        if id_ in repository.artifact_uri:
            raise MlflowException(f"API request failed\n{reason}")
        return read(repository, path)

    monkeypatch.setattr(LocalArtifactRepository, "list_artifacts", listed)
    monkeypatch.setattr("benchmark.ranking.answers._lying_here", lambda uri: None)


def test_what_cannot_be_read_for_now_is_told_and_not_taken_for_missing(
    ids: dict[str, str],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        unreadable("503 Server Error", patch, ids["good 1"])
        result = CliRunner().invoke(main, ["compare", "best", "good", "--table", "systems"])
        assert_one_line_error(result, "predictions of good cannot be read now: 503 Server Error")
        table = summary(rank_systems(store, fetch(store))).set_index("run")
    assert table["verdict"].to_dict() == {"best": "best", "good": "", "guessing": "worse"}
    told = "predictions of 1 of 4 runs cannot be read now, so rows lack their verdict: 503"
    (line,) = caplog.messages
    assert line.startswith(told)
    again = summary(rank_systems(store, fetch(store))).set_index("run")
    assert again["verdict"]["good"] == "worse"


@pytest.mark.parametrize("refusing", ["_lying_here", "_parse"])  # the folder, or the file
def test_what_may_not_be_read_is_told(
    refusing: str,
    ids: dict[str, str],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused(place: object) -> Any:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(f"benchmark.ranking.answers.{refusing}", refused)
    # MLflow finds nothing in a folder that it may not enter.
    monkeypatch.setattr(LocalArtifactRepository, "list_artifacts", lambda *given: [])
    assert rank_systems(store, fetch(store)).answers == {}
    (line,) = caplog.messages
    assert "4 of 4 runs" in line
    assert "Permission denied: " in line


def test_runs_that_kept_none_are_told_by_compare_alone(
    ids: dict[str, str], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    artifact_of(ids["good 1"]).unlink()
    table = summary(rank_systems(store, fetch(store))).set_index("run")
    assert table["verdict"]["good"] == ""
    assert caplog.messages == []
    result = CliRunner().invoke(main, ["compare", "best", "good", "--table", "systems"])
    assert_one_line_error(result, "good kept no predictions; repeat it with --force")
