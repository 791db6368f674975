from io import StringIO
from itertools import starmap
from typing import Literal

import pandas as pd
import pytest
from rich.console import Console

from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import rank_systems
from benchmark.ranking.tables import VIEWS, make_tables, summary, trees
from benchmark.study.suite import BEYOND, SIGN
from benchmark.terminal.leaderboard import readable, show_ranking
from benchmark.tracking.items import Metric, Param
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError

NETWORK_TAGS = {"system": "ConvMixer Model", "group": "from scratch", "model": "convmixer"}
ALIKE = {"weights": "none", "head": "", "data": "mine", "context": "a1"}
PARAMS = {
    "data.num_images": 100,
    "data.num_classes": 5,
    "data.image_size": 64,
    "data.test_images": 15,
    "train.epochs": 3,
    "seed": 0,
    "system.schedule": "scratch",
}


def log(
    tracker: Tracker, name: str, tags: dict[str, str], seed: float = 0, **metrics: float
) -> None:
    tags = {"weights": "none", "head": "", "data": "mine", "context": "a1", **tags}
    with tracker.start(name, tags) as run:
        run.log(*(Param(key, value) for key, value in {**PARAMS, "seed": int(seed)}.items()))
        run.log(*(Metric(key, value) for key, value in metrics.items()))


def log_head(
    tracker: Tracker, trees: int, group: str, published: float | None, **metrics: float
) -> None:
    features = {
        "experiment 1": "ResNet Features",
        "experiment 2": "Fine-Tuned ResNet Head Features",
    }[group]
    tags = {
        "system": f"Extra Trees on {features}",
        "group": group,
        "model": "resnet18",
        "head": "extra_trees",
        "weights": "demo",
        "data": "mine",
        "context": "a1",
        "head_params": f"n_estimators={trees}",
        **({} if published is None else {"study_accuracy": str(published)}),
    }
    with tracker.start(f"{group}/extra_trees-n{trees}", tags) as run:
        schedule = {"experiment 1": "staged", "experiment 2": "frozen"}[group]
        params = {**PARAMS, "system.schedule": schedule, "head.n_estimators": trees}
        run.log(*(Param(key, value) for key, value in params.items()))
        run.log(*(Metric(key, value) for key, value in metrics.items()))


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def test_summary_ranks_by_test_accuracy_beside_the_studys(tracker: Tracker, store: Store) -> None:
    log(
        tracker,
        "convmixer-scratch",
        {**NETWORK_TAGS, "study_accuracy": "0.7109"},
        test_accuracy=0.4,
        best_val_accuracy=0.5,
        params_total=704151,
        fit_seconds=9,
    )
    log(
        tracker,
        "basic_cnn-scratch",
        {"system": "Basic CNN", "group": "from scratch", "model": "basic_cnn"},
        test_accuracy=0.6,
        best_val_accuracy=0.6,
    )
    table = summary(rank_systems(store, fetch(store)))
    assert table["system"].tolist() == ["Basic CNN", "ConvMixer Model"]
    assert table["test_accuracy"].tolist() == [0.6, 0.4]
    assert table["study_accuracy"].isna().tolist() == [True, False]
    assert table["study_accuracy"][1] == 0.7109
    assert table["parameters"][1] == 704151
    assert table["fit_seconds"][1] == 9
    assert table["run"].tolist() == ["basic_cnn-scratch", "convmixer-scratch"]
    assert table["backbone"].tolist() == ["from scratch"] * 2
    assert table["settings"].tolist() == ["", ""]


def test_a_plain_column_says_whose_features_a_head_takes(tracker: Tracker, store: Store) -> None:
    for group in ("experiment 1", "experiment 2"):
        log_head(tracker, 100, group, 0.3, test_accuracy=0.5, best_val_accuracy=0.5)
    table = summary(rank_systems(store, fetch(store))).set_index("system")
    assert table["backbone"].to_dict() == {
        "Extra Trees on ResNet Features": "fine-tuned",
        "Extra Trees on Fine-Tuned ResNet Head Features": "frozen",  # the study's words
    }
    assert table["parameters"].isna().all()  # of networks alone
    assert table["settings"].tolist() == ["n_estimators=100"] * 2


def test_the_studys_accuracies_stand_beside_its_kind_of_data_alone(
    tracker: Tracker, store: Store
) -> None:
    log(tracker, "convmixer-scratch", NETWORK_TAGS, test_accuracy=0.4, best_val_accuracy=0.5)
    with pytest.raises(UserError, match=r"no tree head of .* type: bench run"):
        make_tables(store, "trees", None)
    log_head(tracker, 100, "experiment 1", None, test_accuracy=0.2, best_val_accuracy=0.2)
    for view in ("summary", *VIEWS):
        for board in make_tables(store, view, None)[0]:
            assert not [name for name in board.table if "study" in str(name)], view


def test_the_accuracy_without_copies_stands_beside_where_there_are_copies(
    tracker: Tracker, store: Store
) -> None:
    scores = {"test_accuracy": 0.4, "best_val_accuracy": 0.5}
    log(tracker, "convmixer-scratch", NETWORK_TAGS, **scores)
    log_head(tracker, 100, "experiment 1", None, test_accuracy=0.2, best_val_accuracy=0.2)
    for view in ("summary", *VIEWS):
        for board in make_tables(store, view, None)[0]:
            assert "test_accuracy_unshared" not in board.table, view
    log(tracker, "convmixer-scratch", NETWORK_TAGS, **scores, test_accuracy_unshared=0.3)
    ranking = rank_systems(store, fetch(store))
    assert summary(ranking)["test_accuracy_unshared"].dropna().tolist() == [0.3]
    assert readable(ranking)["accuracy_without_copies"].dropna().tolist() == [0.3]


@pytest.mark.parametrize("format_", ["table", "markdown"])
def test_what_is_beyond_the_study_is_signed_however_narrow_the_table(
    tracker: Tracker, store: Store, format_: Literal["table", "markdown"]
) -> None:
    scores = {"test_accuracy": 0.4, "best_val_accuracy": 0.5}
    log(tracker, "convmixer-scratch", NETWORK_TAGS, **scores)
    assert SIGN not in shown(store, format_)
    log(tracker, "mine-frozen", {"system": "Mine", "group": BEYOND, "model": "mine"}, **scores)
    text = shown(store, format_)
    assert f"Mine {SIGN}" in text
    assert f"{SIGN} {BEYOND}" in text
    assert f"ConvMixer Model {SIGN}" not in text


def shown(store: Store, format_: Literal["table", "markdown"]) -> str:
    """The leaderboard of all runs on a terminal of 80 columns."""
    console = Console(file=StringIO(), width=80)
    show_ranking(rank_systems(store, fetch(store)), store, format_, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_view_of_all_runs_has_all_settings_and_whole_counts(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(tracker, "convmixer-scratch", NETWORK_TAGS, test_accuracy=0.4, params_total=704151)
    log_head(tracker, 100, "experiment 1", 0.3, test_accuracy=0.5, best_val_accuracy=0.5)
    (board,) = make_tables(store, "all", None)[0]
    table = board.table
    monkeypatch.setattr(Store, "is_database", False)  # as with an MLflow server
    pd.testing.assert_frame_equal(make_tables(store, "all", None)[0][0].table, table)
    assert not {"data.num_images", "head.n_estimators", "images"} <= {*table}
    assert {"head.n_estimators", "images", "image_size_px"} <= {*table}
    lines = table[["run", "params_total", "head.n_estimators", "images"]].to_csv(index=False)
    assert lines.splitlines()[1:] == [
        "experiment 1/extra_trees-n100,,100,100",
        "convmixer-scratch,704151,,100",
    ]


def test_names_and_hashes_that_look_like_numbers_stay_as_they_are(
    tracker: Tracker, store: Store
) -> None:
    names = {"data.name": "007", "system.model": "1e3", "system.head": "0x1", "shared": "12345e67"}
    with tracker.start("net-scratch", NETWORK_TAGS | ALIKE) as run:
        run.log(*starmap(Param, {**PARAMS, **names, "train.lr": "1e-3"}.items()))
        run.log(Metric("test_accuracy", 0.5))
    table = make_tables(store, "all", None)[0][0].table
    assert table[[*names]].iloc[0].to_dict() == names
    assert table["train.lr"].tolist() == [0.001]


def test_of_a_grid_the_best_on_validation_stands_not_the_best_on_test(
    tracker: Tracker, store: Store
) -> None:
    for trees_, val, test in ((100, 0.5, 0.9), (200, 0.7, 0.6), (300, 0.6, 0.8)):
        log_head(tracker, trees_, "experiment 1", 0.3, test_accuracy=test, best_val_accuracy=val)
    table = summary(rank_systems(store, fetch(store)))
    assert table["settings"].tolist() == ["n_estimators=200"]
    assert table["test_accuracy"].tolist() == [0.6]


def test_of_equal_grid_points_the_first_stands(tracker: Tracker, store: Store) -> None:
    for trees_, val in ((100, 0.5), (200, 0.7), (300, 0.7)):
        log_head(tracker, trees_, "experiment 1", 0.3, test_accuracy=0.6, best_val_accuracy=val)
    assert summary(rank_systems(store, fetch(store)))["settings"].tolist() == ["n_estimators=200"]


def test_trees_sets_experiment_1_against_experiment_2(tracker: Tracker, store: Store) -> None:
    for trees_ in (100, 200):
        log_head(
            tracker, trees_, "experiment 1", 0.31, test_accuracy=trees_ / 1000, best_val_accuracy=0
        )
    log_head(tracker, 200, "experiment 2", 0.64, test_accuracy=0.9, best_val_accuracy=0)
    table = trees(fetch(store))
    assert table["settings"].tolist() == ["n_estimators=100", "n_estimators=200"]
    assert table["head"].tolist() == ["Extra Trees", "Extra Trees"]
    assert table["accuracy_exp1"].tolist() == [0.1, 0.2]
    assert table["study_accuracy_exp1"].tolist() == [0.31, 0.31]
    assert pd.isna(table["accuracy_exp2"].iloc[0])
    assert table["accuracy_exp2"].iloc[1] == 0.9


def test_rows_with_other_weights_stand_side_by_side(tracker: Tracker, store: Store) -> None:
    for weights in ("imagenet", "demo"):
        tags = {**NETWORK_TAGS, "weights": weights}
        log(tracker, "resnet18-frozen", tags, test_accuracy=0.1, best_val_accuracy=0.1)
    assert sorted(summary(rank_systems(store, fetch(store)))["weights"]) == ["demo", "imagenet"]


def test_rows_of_several_backbones_are_not_averaged(tracker: Tracker, store: Store) -> None:
    for model, accuracy in (("resnet18", 0.2), ("vit_b_16", 0.4)):
        tags = {"group": "experiment 1", "head": "extra_trees", "head_params": "n=1"}
        tags |= {"system": f"Extra Trees on {model}", "model": model}
        log(tracker, f"{model}-staged/extra_trees-n1", tags, test_accuracy=accuracy)
    table = trees(fetch(store))
    assert table["model"].tolist() == ["resnet18", "vit_b_16"]
    assert table["accuracy_exp1"].tolist() == [0.2, 0.4]


def test_rows_of_another_image_size_stand_side_by_side(tracker: Tracker, store: Store) -> None:
    for own, accuracy in ((224, 0.9), (None, 0.5), (224, 0.8)):
        with tracker.start("net-frozen", NETWORK_TAGS | ALIKE) as run:
            run.log(*starmap(Param, {**PARAMS, "input.size": own}.items()))
            run.log(*starmap(Metric, {"test_accuracy": accuracy, "best_val_accuracy": 0.5}.items()))
    board = summary(rank_systems(store, fetch(store))).set_index("image_size_px")
    assert board["test_accuracy"].to_dict() == {224: 0.8, 64: 0.5}
