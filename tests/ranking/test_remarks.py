"""What is said of rows whose runs ended badly, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from benchmark.ranking.remarks import CURVES, network_curves, remarks
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import Ranking, compare, rank_systems, repeats
from benchmark.tracking.items import Param, metrics
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import log
from tests.ranking.test_tables import PARAMS

EPOCHS = 3
"""As the parameters of the logged runs say."""
NAN = float("nan")


def remarks_on(ranking: Ranking, store: Store) -> list[str]:
    return remarks(ranking, network_curves(ranking, store), store)


def told(
    store: Store,
    folder: Path,
    skill: float,
    losses: tuple[Sequence[float], Sequence[float]] | None = None,
    accuracies: tuple[Sequence[float], Sequence[float]] | None = None,
    norms: Sequence[float] = (),
    **tags: str,
) -> list[str]:
    """Log a network with such losses and accuracies of train and val, and read the remarks."""
    tracker = Tracker(store)
    run_id = log(tracker, "net", skill, skill, folder, seed=0, **tags)
    if losses is not None:
        accuracies = accuracies or ([0.3] * len(losses[0]), [0.3] * len(losses[0]))
        for epoch, values in enumerate(zip(*losses, *accuracies, strict=True)):
            batch = metrics(dict(zip(CURVES, values, strict=True)), step=epoch + 1)
            for one in batch:
                tracker.client.log_metric(run_id, one.name, one.value, step=one.step)
    for epoch, norm in enumerate(norms):
        tracker.client.log_metric(run_id, "gradient_norm", norm, step=epoch + 1)
    tracker.client.log_param(run_id, "train.lr", 0.001)
    return remarks_on(rank_systems(store, fetch(store)), store)


@pytest.mark.parametrize(
    ("train", "val", "reason"),
    [
        ([1.10], [1.1], "one epoch was too few; try --set train.epochs=5"),
        ([1.10, 1.10, 1.09], [1.1] * 3, "its loss stayed flat from the start (1.10 to 1.09); try"),
        ([1.1, NAN, NAN], [1.1] * 3, "no longer finite from epoch 2 on; try a lower rate: --set "),
        ([1.1, 2.0, 5.0], [1.0, 2.0, 6.0], "it diverged after epoch 1; try a lower"),
        ([1.1, 0.5, 0.1], [1.0, 2.0, 6.0], "it learnt by heart"),
        (
            [700, 1.7, 1.62],
            [3, 1.7, 9],
            "ended where guessing is (1.62; ln of 5 classes: 1.61); try",
        ),
        ([1.1, 1.0], [1.0, 1.05], "stopped after 2 of 3 epochs; try --set"),
        ([1.1, 1.0, 0.9], [1.1, 1.0, 0.9], "3 epochs were too few (1.10 to 0.90); try --set"),
    ],
)
def test_why_a_network_guesses_is_found_in_its_curves(
    train: list[float], val: list[float], reason: str, store: Store, tmp_path: Path
) -> None:
    first, *_ = told(store, tmp_path, 0.2, (train, val))
    assert first.startswith("At chance (33.3%): net; ")
    assert reason in first


def test_what_learnt_by_heart_is_not_told_to_train_longer(store: Store, tmp_path: Path) -> None:
    accuracies = ([0.5, 0.9, 0.92], [0.36, 0.36, 0.36])
    first, *_ = told(store, tmp_path, 0.3, ([1.0, 0.5, 0.2], [1.10, 1.12, 1.35]), accuracies)
    assert "rose from epoch 1 on (1.10 to 1.35) while that of train fell" in first
    assert "too few" not in first


def test_a_network_that_no_gradient_reaches_is_told_from_one_that_learns_slowly(
    store: Store, tmp_path: Path
) -> None:
    flat = ([1.10] * 3, [1.1] * 3)
    first, *_ = told(store, tmp_path, 0.3, flat, norms=[0.5, 0.0, 0.0])
    assert "no gradient reaches its layers any more (length 0 in the last epoch): its" in first
    assert first.endswith("try a lower rate: --set train.lr=0.0001.")


def test_what_names_one_class_guesses_however_right_that_is(store: Store, tmp_path: Path) -> None:
    (line,) = told(store, tmp_path, 0.0, head="trees")
    assert line.startswith("At chance (33.3%): net; its network's features say too little.")


def test_what_may_be_better_than_chance_is_not_said_to_be_at_chance(
    store: Store, tmp_path: Path
) -> None:
    first, *_ = told(store, tmp_path, 0.4, ([1.1, 1.0, 0.9], [1.1, 1.0, 0.9]))
    assert first.startswith("Not told from chance (33.3%): net; 3 epochs were too few")


@pytest.mark.parametrize(("seeds", "dead", "told"), [(2, [1], "seed 1"), (5, [1, 3], "seeds 1, 3")])
def test_seeds_that_name_one_class_are_named_and_condemn_no_others(
    seeds: int, dead: list[int], told: str, store: Store, tmp_path: Path
) -> None:
    tracker = Tracker(store)
    ids = [log(tracker, "net", 0.9, 0.9, tmp_path / str(seed), seed=seed) for seed in range(seeds)]
    runs = fetch(store)
    answers = rank_systems(store, runs).answers
    for collapsed, lines in (
        (dead, [f"Seeds that name one class alone, whatever the image: net ({told})."]),
        (range(seeds), ["At chance (33.3%): net."]),
    ):
        of_one = {ids[seed]: answers[ids[seed]].assign(predicted="a") for seed in collapsed}
        assert remarks_on(compare(repeats(runs), {**answers, **of_one}), store) == lines


def test_two_classes_of_four_told_rightly_are_more_than_chance(
    store: Store, tmp_path: Path
) -> None:
    run_id = log(Tracker(store), "net", 0.5, 0.5, tmp_path)
    true = [str(place % 4) for place in range(60)]
    told = {"true": true, "predicted": ["1" if one == "1" else "0" for one in true]}
    answers = {run_id: pd.DataFrame({**told, "copy_of": ""})}
    lines = remarks_on(compare(repeats(fetch(store)), answers), store)
    assert lines == ["net never predicts 2, 3."]


def test_a_network_that_was_still_improving_is_named(store: Store, tmp_path: Path) -> None:
    rising = ([0.4, 0.6, 0.8], [0.4, 0.6, 0.8])
    lines = told(store, tmp_path, 0.8, ([1.0, 0.8, 0.6], [1.0, 0.8, 0.6]), rising)
    assert len(lines) == 1
    assert lines[0].startswith("Still improving when the last epoch ended")
    assert lines[0].endswith(": net.")


def test_a_network_that_is_always_right_has_nothing_to_improve(
    store: Store, tmp_path: Path
) -> None:
    rising = ([0.4, 0.6, 0.8], [0.4, 0.9, 1.0])
    assert not told(store, tmp_path, 0.9, ([1.0, 0.8, 0.6], [1.0, 0.8, 0.6]), rising)


def test_a_network_that_overfitted_is_named(store: Store, tmp_path: Path) -> None:
    heart = ([0.5, 0.9, 1.0], [0.5, 0.6, 0.6])
    lines = told(store, tmp_path, 0.8, ([1.0, 0.3, 0.01], [1.0, 0.8, 1.2]), heart)
    assert [line for line in lines if line.startswith("Overfitted")]


@pytest.mark.parametrize(
    ("param", "value", "remedy"),
    [
        ("train.flip", False, "mirrored ones: --set train.flip=true"),
        ("train.flip", True, "a higher weight decay: --set train.weight_decay=…"),
        ("system.schedule", "frozen", "a higher weight decay: --set train.weight_decay=…"),
    ],
)
def test_what_overfitted_is_told_what_it_has_not_got_and_can_use(
    param: str,
    value: object,
    remedy: str,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PARAMS, param, value)
    losses, heart = ([1.0, 0.3, 0.01], [1.0, 0.8, 1.2]), ([0.5, 0.9, 1.0], [0.5, 0.6, 0.6])
    (line,) = [
        line for line in told(store, tmp_path, 0.8, losses, heart) if line.startswith("Overfitted")
    ]
    assert line.endswith(f"(more images would help, or {remedy}): net.")
    reason, *_ = told(store, tmp_path / "again", 0.3, losses, heart)
    assert reason.endswith(f"it learnt by heart; try more images, or {remedy}.")


def test_a_tie_that_its_interval_seems_to_deny_is_explained(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store)
    for name, skill in (("best", 0.80), ("near", 0.735), ("far", 0.3)):
        log(tracker, name, skill, skill, tmp_path / name)
    ranking = rank_systems(store, fetch(store))
    near = ranking.table.set_index("run").loc["near"]
    assert (near["verdict"], near["difference_high"] < 0) == ("tied", True)
    (line,) = [one for one in remarks_on(ranking, store) if one.startswith("Tied although")]
    assert "p decides, which is of another test and corrected" in line
    assert line.endswith("all rows (Holm): near.")


def test_val_and_test_that_cannot_be_of_one_kind_are_told(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store)
    run_id = log(tracker, "net", 0.7, 0.99, tmp_path)
    tracker.client.log_param(run_id, "data.val_images", Param("", 60).value)
    lines = remarks_on(rank_systems(store, fetch(store)), store)
    assert (
        "Val and test accuracy differ by more than chance (corrected for all rows): net." in lines
    )
