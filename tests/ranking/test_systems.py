"""Systems of a store, and benchmarks drawn at random, compared with the best on validation."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmark.evaluation.metrics import score
from benchmark.evaluation.predictions import Predictions
from benchmark.ranking import spread, statistics
from benchmark.ranking.recommendation import recommendation
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import (
    MEANS,
    Ranking,
    best_runs,
    compare,
    rank_systems,
    repeats,
    tag_ranks,
)
from benchmark.ranking.tables import summary
from benchmark.tracking.items import Artifact, Metric, Param, metrics
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_statistics import draw, truth
from tests.ranking.test_tables import PARAMS

IMAGES = 60
COPIES = 10
"""The first so many are copies of each other, in pairs."""
RIGHT = np.random.default_rng(0).random(IMAGES)
"""How hard each image is."""


def log(
    tracker: Tracker,
    name: str,
    skill: float | NDArray[np.float64],
    val: float,
    folder: Path,
    *,
    seed: int = 0,
    **tags: str,
) -> str:
    """Log a run that tells the easiest images right, and of the others a few by luck."""
    rng = np.random.default_rng(seed)
    labels = np.arange(IMAGES) % 3
    right = skill + rng.normal(0, 0.05, IMAGES) > RIGHT
    guesses = np.where(right, labels, (labels + 1) % 3)
    predictions = Predictions(
        split="test",
        names=[f"{place:03}.png" for place in range(IMAGES)],
        labels=labels,
        probabilities=np.eye(3, dtype=np.float32)[guesses] * 0.7 + 0.1,
        class_names=["a", "b", "c"],
        groups=[str(place // 2 if place < COPIES else place) for place in range(IMAGES)],
    )
    predictions.save(folder / "predictions")
    model = name.partition("-")[0]
    given = {
        "system": model,
        "group": "from scratch",
        "model": model,
        "head": "",
        "weights": "none",
    }
    with tracker.start(name, {"context": "a1", "data": "mine", **given, **tags}) as run:
        params = {**PARAMS, "seed": seed, "data.test_images": IMAGES}
        run.log(*(Param(key, value) for key, value in params.items()))
        run.log(Metric("best_val_accuracy", val), Metric("inference_ms", 10 * val))
        run.log(Metric("best_epoch", seed + 1), Metric("epochs_run", seed + 2))
        run.log(*metrics(score(predictions)), Artifact(folder / "predictions", "predictions"))
    return run.id


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def test_of_repeats_the_best_by_validation_is_shown(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store)
    made = [
        log(tracker, "net", 0.5, val, tmp_path, seed=i) for i, val in enumerate((0.4, 0.6, 0.5))
    ]
    (row,) = rank_systems(store, fetch(store)).rows()
    assert (row["run_id"], row["run_ids"]) == (made[1], made)
    assert (row["best_epoch"], row["epochs_run"]) == (2, 3)  # of the run whose curves are drawn


def test_the_best_is_chosen_by_validation_and_stands_first(
    tracker: Tracker, store: Store, tmp_path: Path
) -> None:
    for name, skill, val in (("lucky", 0.85, 0.5), ("chosen", 0.8, 0.9), ("poor", 0.2, 0.1)):
        log(tracker, name, skill, val, tmp_path / name)
    ranking = rank_systems(store, fetch(store))
    table = summary(ranking).set_index("run")
    assert table.index.tolist() == ["chosen", "lucky", "poor"]
    assert table["verdict"].tolist() == ["best", "tied", "worse"]
    assert table["test_accuracy"]["lucky"] > table["test_accuracy"]["chosen"]
    assert table["difference"]["chosen"] == 0
    assert np.isnan(table["p_holm"]["chosen"])
    assert table["p_holm"]["poor"] < 0.001
    assert table["rank_low"]["poor"] == table["rank_high"]["poor"] == 3
    assert (table["test_accuracy_low"] < table["test_accuracy"]).all()
    assert ranking.best is not None
    assert ranking.best["run"] == "chosen"
    assert best_runs(fetch(store))["run"].tolist() == ["chosen"]
    assert [row["run"] for row in ranking.leaders] == ["chosen", "lucky"]
    assert ranking.cheapest is not None
    assert ranking.cheapest["run"] == "lucky"
    alike = replace(ranking, table=ranking.table.assign(inference_ms=[5.4, 5.0, 1.0]))
    assert alike.cheapest is not None
    assert alike.cheapest["run"] == "chosen"  # a tenth is no difference between two timings
    first, second = recommendation(ranking)
    assert first.startswith("Best by validation: chosen, ")
    assert "Tied with it: lucky. Among the fastest of these: lucky (5 ms an image)." in first
    assert second.startswith("60 test images show differences to it from some ")
    assert "of these trained classifiers" in second
    _, few = recommendation(replace(ranking, smallest=1.171))
    assert few.startswith("60 test images show no difference to it; 2 points take some ")


def test_repeats_are_one_row_with_the_mean_and_what_is_missing(
    tracker: Tracker, store: Store, tmp_path: Path
) -> None:
    ids = [
        log(tracker, "often", 0.8, val, tmp_path / f"a{seed}", seed=seed)
        for seed, val in enumerate((0.5, 0.6, 0.7))
    ]
    log(tracker, "once", 0.8, 0.5, tmp_path / "b", seed=1)
    runs = fetch(store)
    ranking = rank_systems(store, runs)
    table = summary(ranking).set_index("run")
    accuracies = runs[runs["run"] == "often"]["test_accuracy"]
    assert table["test_accuracy"]["often"] == pytest.approx(accuracies.mean())
    assert table["best_val_accuracy"]["often"] == pytest.approx(0.6)
    assert table["seeds"].to_dict() == {"often": 3, "once": 1}
    assert table["seeds_missing"].to_dict() == {"often": "", "once": "0, 2"}
    assert ranking.table["run_ids"][0] == ids
    assert table["standard_error_seeds"]["often"] == pytest.approx(
        accuracies.std() / np.sqrt(3), rel=1e-6
    )


def test_of_a_grid_the_setting_stands_whose_repeats_are_best_on_average(
    tracker: Tracker, store: Store, tmp_path: Path
) -> None:
    grid = {"n=1": (0.9, 0.1), "n=2": (0.6, 0.6), "n=3": (0.99,)}
    for params, vals in grid.items():
        for seed, val in enumerate(vals):
            name = f"net/trees-{params}"
            folder = tmp_path / f"{params}-{seed}"
            log(tracker, name, 0.5, val, folder, seed=seed, head="trees", head_params=params)
    chosen = repeats(fetch(store))
    assert set(chosen["head_params"]) == {"n=2"}  # n=3 was run with one seed alone
    assert chosen["seed"].tolist() == [0, 1]


def test_of_a_run_that_was_repeated_the_newest_alone_has_a_place(
    tracker: Tracker, store: Store, tmp_path: Path
) -> None:
    for accuracy in (0.5, 0.6):
        newest = log(tracker, "one", accuracy, 0.5, tmp_path)
        tag_ranks(store, tracker, fetch(store))
    (ranked,) = tracker.search("tags.rank LIKE '%'")
    assert (ranked.info.run_id, ranked.data.tags["rank"]) == (newest, "001")


def test_copies_count_once(tracker: Tracker, store: Store, tmp_path: Path) -> None:
    run_id = log(tracker, "one", 0.8, 0.5, tmp_path)
    ranking = rank_systems(store, fetch(store))
    answers = ranking.answers[run_id]
    assert answers["copy_of"].head(11).tolist() == [
        *(f"{place // 2 * 2:03}.png" for place in range(10)),
        "",
    ]
    low, high = ranking.table.loc[0, ["test_accuracy_low", "test_accuracy_high"]]
    share = float(ranking.table["test_accuracy"].iloc[0])
    assert (low, high) != pytest.approx(statistics.wilson_interval(share, IMAGES))


def test_answers_are_read_once_and_only_those_of_rows(
    tracker: Tracker, store: Store, workplace: Path
) -> None:
    log(tracker, "net/trees-1", 0.8, 0.5, workplace / "1", head="trees", head_params="n=1")
    log(tracker, "net/trees-2", 0.8, 0.6, workplace / "2", head="trees", head_params="n=2")
    first = rank_systems(store, fetch(store))
    assert len(first.answers) == 1
    for file in (workplace / "artifacts").rglob("test.csv"):
        file.unlink()
    again = rank_systems(store, fetch(store))
    pd.testing.assert_frame_equal(first.table, again.table)


def test_answers_rank_systems_though_there_is_no_room_to_keep_them(
    tracker: Tracker, store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmark.ranking.answers.unfinished", full)
    log(tracker, "net", 0.8, 0.5, workplace / "1")
    assert len(rank_systems(store, fetch(store)).answers) == 1


def test_answers_of_which_a_part_is_left_are_read_anew(
    tracker: Tracker, store: Store, workplace: Path
) -> None:
    log(tracker, "net", 0.8, 0.5, workplace / "1")
    first = rank_systems(store, fetch(store))
    (file,) = (workplace / "home" / "answers").glob("*.json")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    again = rank_systems(store, fetch(store))
    for run_id, answers in first.answers.items():
        pd.testing.assert_frame_equal(answers, again.answers[run_id])
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "left", ["no such thing", "image,true,predicted\n", "image,true,predicted\n000.png,a"]
)
def test_a_row_without_predictions_has_its_interval_and_no_verdict(
    left: str, tracker: Tracker, store: Store, workplace: Path
) -> None:
    log(tracker, "kept", 0.8, 0.9, workplace / "kept")
    log(tracker, "gone", 0.8, 0.5, workplace / "gone", seed=1)
    (file, *_) = sorted(
        (workplace / "artifacts").rglob("test.csv"), key=lambda path: path.stat().st_mtime
    )[::-1]
    file.write_text(left)
    table = summary(rank_systems(store, fetch(store))).set_index("run")
    assert table["verdict"].to_dict() == {"kept": "best", "gone": ""}
    share = table["test_accuracy"]["gone"]
    low, high = statistics.wilson_interval(share, IMAGES)
    assert table["test_accuracy_low"]["gone"] == pytest.approx(low)
    assert table["test_accuracy_high"]["gone"] == pytest.approx(high)


def drawn(rng: np.random.Generator, means: list[float], seeds: int) -> Ranking:
    """A benchmark of systems with such skills, which validation images rank, too."""
    groups = np.arange(IMAGES)
    rows, answers = [], {}
    tests = draw(rng, means, seeds, groups)
    vals = draw(rng, means, seeds, groups)
    for place, (test, val) in enumerate(zip(tests, vals, strict=True)):
        for seed in range(seeds):
            run_id = f"{place}-{seed}"
            answers[run_id] = _answers(test[seed])
            rows.append(
                {
                    "run_id": run_id,
                    "seed": seed,
                    "place": place,
                    "best_val_accuracy": val[seed].mean(),
                    "test_accuracy": test[seed].mean(),
                    "test_images": IMAGES,
                }
            )
    figures = dict.fromkeys([*MEANS, "study_accuracy", "best_epoch", "epochs_run"], np.nan)
    return compare(pd.DataFrame([{**figures, **row} for row in rows]), answers)


def _answers(right: NDArray[np.float64]) -> pd.DataFrame:
    predicted = np.where(right > 0, "a", "b")
    return pd.DataFrame({"true": "a", "predicted": predicted, "copy_of": ""})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer draws, and no collection of garbage, which statsmodels does in every table."""
    for module in (spread, statistics):
        monkeypatch.setattr(module, "DRAWS", 500)
    monkeypatch.setattr(gc, "collect", lambda *generation: 0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("seeds", "count"), [(1, 150), (3, 60), (5, 60)])
def test_tables_of_equals_have_worse_rows_in_5_of_100_and_hold_the_truth_in_95(
    seeds: int, count: int
) -> None:
    """Through the table's own code: the best is chosen on validation, others are compared."""
    rng = np.random.default_rng(seeds)
    tables = [drawn(rng, [1.0] * 4, seeds).table for _ in range(count)]
    luck = 2 * np.sqrt(0.05 * 0.95 / count)
    wrong = [not table["verdict"].isin(["best", "tied"]).all() for table in tables]
    assert np.mean(wrong) <= 0.05 + luck
    true = truth(1.0, seeds)
    held = [
        (table["test_accuracy_low"] <= true) & (true <= table["test_accuracy_high"])
        for table in tables
    ]
    assert np.mean(held) >= 0.95 - luck
    # The best itself as well, since the images that chose it are others.
    assert np.mean([one.iloc[0] for one in held]) >= 0.95 - luck


@pytest.mark.usefixtures("quick")
def test_what_is_worse_is_told_so() -> None:
    rng = np.random.default_rng(0)
    tables = [drawn(rng, [1.5, 1.5, -1.0], 1).table for _ in range(20)]
    told = [table.set_index("place")["verdict"].to_dict() for table in tables]
    assert sum(verdicts[2] == "worse" for verdicts in told) >= 18
