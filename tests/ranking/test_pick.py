"""`bench pick`: the most accurate row within limits, and what it gives up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.ranking.pick import SIZES, TIMES, pick, read_limit
from benchmark.ranking.systems import Ranking
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry import UserError
from tests.ranking.test_systems import log

ROWS = [
    # run, verdict, val, test, ms, MB
    ("vit", "best", 0.90, 0.88, 100.0, 340.0),
    ("resnet", "tied", 0.87, 0.89, 20.0, 45.0),
    ("lite", "tied", 0.88, 0.87, 8.0, 14.0),
    ("trees", "tied", 0.86, 0.86, 9.0, np.nan),
    ("convmixer", "worse", 0.70, 0.69, 3.0, 3.0),
    ("cnn", "worse", 0.60, 0.71, 2.0, 5.0),
]


@pytest.fixture
def ranking() -> Ranking:
    columns = ["run", "verdict", "best_val_accuracy", "test_accuracy", "inference_ms", "size_mb"]
    table = pd.DataFrame(ROWS, columns=columns)
    table["system"] = table["run"]
    return Ranking(table=table, answers={}, smallest=0.05)


@pytest.mark.parametrize(
    ("latency", "size", "run", "is_leader"),
    [
        (1000.0, 1000.0, "vit", True),
        (50.0, None, "lite", True),  # of the tied ones, by validation and not by test
        (None, 100.0, "lite", True),
        (8.5, 13.0, "convmixer", False),  # no tied row is within
        (2.5, None, "cnn", False),
    ],
)
def test_most_accurate_row_within_the_limits_is_picked_by_validation(
    ranking: Ranking, latency: float | None, size: float | None, run: str, is_leader: bool
) -> None:
    picked = pick(ranking, latency, size)
    assert picked.row["run"] == run
    assert picked.best["run"] == "vit"
    assert picked.is_leader is is_leader
    assert picked.without_size == (["trees"] if size is not None else [])


def test_limits_that_nothing_is_within_are_told_with_what_is_nearest(ranking: Ranking) -> None:
    told = "the fastest is cnn with 2 ms, the smallest is convmixer with 3 MB"
    with pytest.raises(UserError, match=told):
        pick(ranking, 1.0, None)


def test_figures_are_told_without_powers_of_ten_and_only_if_they_are_known(
    store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    id_ = log(tracker, "net", 0.8, 0.8, tmp_path, hardware="a card")
    tracker.client.log_metric(id_, "inference_ms", 4321.0)
    lines = CliRunner().invoke(main, ["pick", "--latency", "9s"]).stdout.splitlines()
    assert lines[1].startswith("net: test accuracy ")
    assert lines[1].endswith("%), 4,320 ms an image")
    nothing = CliRunner().invoke(main, ["pick", "--latency", "1s"]).stderr
    assert "the fastest is net with 4,320 ms\n" in nothing


def test_a_limit_of_size_that_is_typed_picks_a_row_that_is_so_small(
    store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    for name, skill, size in (("large", 0.9, 340.0), ("small", 0.85, 14.0)):
        id_ = log(tracker, name, skill, skill, tmp_path / name, hardware="a card")
        tracker.client.log_metric(id_, "size_mb", size)
    for limit, picked in (("50MB", "small"), ("1GB", "large")):
        lines = CliRunner().invoke(main, ["pick", "--size", limit]).stdout.splitlines()
        assert lines[1].startswith(f"{picked}: test accuracy ")
        assert lines[1].endswith(", 14 MB" if picked == "small" else ", 340 MB")


def test_limits_have_units() -> None:
    assert [read_limit(text, TIMES) for text in ("20ms", "0.5 s", "20", "500us")] == [
        20,
        500,
        20,
        0.5,
    ]
    assert [read_limit(text, SIZES) for text in ("50MB", "1gb", "50", ".5 MB", "200KB")] == [
        50,
        1000,
        50,
        0.5,
        pytest.approx(0.2),
    ]
    for text in ("", "fast", "20MB", "-3ms", "0ms", "1e3"):
        with pytest.raises(UserError, match="is no limit; write 20ms"):
            read_limit(text, TIMES)


def test_the_command_to_use_it_is_of_its_context_and_only_told_if_it_kept_its_weights(
    store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    id_ = log(tracker, "old net", 0.8, 0.8, tmp_path / "0", context="a1b2", hardware="a card")
    log(tracker, "old net", 0.7, 0.7, tmp_path / "1", context="c3")
    pick = ["pick", "--latency", "20ms", "--context", "a1"]
    lines = CliRunner().invoke(main, pick).stdout.splitlines()
    assert lines[-2] == "Times are of a card"
    assert lines[-1].startswith("old net kept no weights; repeat it")
    tracker.client.set_tag(id_, "weights_file", "kept")
    *_, last = CliRunner().invoke(main, pick).stdout.splitlines()
    assert last == "Use it: bench predict PATH --model 'old net' --context a1b2"


def test_a_row_whose_name_has_other_weights_besides_is_used_by_its_id(
    store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    best = log(tracker, "net", 0.9, 0.9, tmp_path / "0", weights="imagenet", hardware="a card")
    worse = log(tracker, "net", 0.3, 0.3, tmp_path / "1", weights="demo", hardware="a card")
    for id_ in (best, worse):
        tracker.client.set_tag(id_, "weights_file", "kept")
    for limit, id_ in (("5ms", worse), ("20ms", best)):
        lines = CliRunner().invoke(main, ["pick", "--latency", limit]).stdout.splitlines()
        assert lines[-1] == f"Use it: bench predict PATH --model {id_}"
        assert any("nothing is given up" in line for line in lines) == (id_ == best)
        assert lines[1].startswith(f"net (weights {'imagenet' if id_ == best else 'demo'}): test")
