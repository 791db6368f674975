from __future__ import annotations

from itertools import starmap

import pytest

from benchmark.ranking.contexts import choose, choose_one
from benchmark.ranking.runs import fetch
from benchmark.study.config import override
from benchmark.study.plan import SPEC_VERSION
from benchmark.study.presets import preset
from benchmark.terminal.console import make_console
from benchmark.terminal.progress import print_other_contexts
from benchmark.tracking.items import Param
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError
from tests.ranking.test_tables import ALIKE, NETWORK_TAGS, PARAMS, log


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def test_sets_of_runs_are_kept_apart_and_the_newest_comes_first(
    tracker: Tracker, store: Store
) -> None:
    log(tracker, "old", NETWORK_TAGS, test_accuracy=0.1, best_val_accuracy=0.1)
    tags = {**NETWORK_TAGS, "context": "b2", "data": "other"}
    for seed in (1, 0, 1):  # the last takes the first one's place
        log(tracker, "new", tags, seed=seed, test_accuracy=0.2, best_val_accuracy=0.1)
    everything = choose(store, "all")
    assert [one.id for one in everything.contexts] == ["b2", "a1"]
    first = everything.contexts[0]
    assert (first.title, first.count) == (
        "other: 100 images of 5 classes, 64 px, at most 3 epochs, seeds 0, 1",
        2,
    )
    chosen = choose(store, None)
    assert [one.id for one in chosen.contexts] == ["b2"]
    assert [one.id for one in chosen.others] == ["a1"]
    assert chosen.runs["run"].tolist() == ["new", "new"]
    assert [one.id for one in choose(store, "a").contexts] == ["a1"]
    assert choose(store, "a").runs.equals(fetch(store, ["a1"]))
    assert everything.runs.equals(fetch(store))
    with pytest.raises(UserError, match="0 sets of runs begin with 'zz'; there are: b2"):
        choose(store, "zz")
    with pytest.raises(UserError, match="one set of runs"):
        choose_one(store, "all")


def test_of_many_sets_a_few_are_named_and_the_others_counted(
    tracker: Tracker, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(12):
        tags = {**NETWORK_TAGS, "context": f"{place:x}0", "spec_version": str(SPEC_VERSION)}
        log(tracker, "one", tags, test_accuracy=0.2, best_val_accuracy=0.1)
    print_other_contexts(make_console(), choose(store, None).others)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("--context ")[1] for line in lines] == [
        "a0)",
        "90)",
        "80)",
        "70)",
        "60)",
        "all)",
    ]
    assert lines[-1].startswith("not shown: 6 more sets of runs")
    with pytest.raises(UserError) as raised:
        choose(store, "zz")
    assert raised.value.args[0].count("images of") == 5
    assert raised.value.args[0].endswith(" and 7 more")


def test_a_set_names_all_sizes_that_its_networks_saw(store: Store) -> None:
    for name, own in (("convmixer-scratch", None), ("net-frozen", 224)):
        tags = {"context": "a1", "data": "mine", "group": "from scratch", "weights": "none"}
        with Tracker(store).start(name, tags) as run:
            run.log(*starmap(Param, {**PARAMS, "input.size": own}.items()))
    assert ", 64, 224 px, " in choose(store, None).contexts[0].title


def test_sets_with_one_title_are_told_apart_by_what_was_set_by_hand(store: Store) -> None:
    teacher = "efficientnet_lite0-frozen"
    for id_, assignments in {
        "a1": [],
        "b2": ["train.temperature=3"],
        "c3": ["train.temperature=3", "train.ema=0.9"],
        "d4": [f"train.teacher={teacher}"],
    }.items():
        config = override(preset("tuned"), assignments)
        for name in ("basic_cnn-scratch", "convmixer-scratch", teacher):
            train = config.train_of(name).model_dump()
            if name == teacher:
                train["teacher"] = None
            model, _, schedule = name.partition("-")
            params = {f"train.{key}": value for key, value in train.items()}
            params |= {**PARAMS, "train.epochs": 25, "data.image_size": 240}
            params |= {"system.model": model, "system.schedule": schedule}
            tags = {**ALIKE, "group": "from scratch", "context": id_, "preset": "tuned"}
            with Tracker(store).start(name, tags) as run:
                run.log(*starmap(Param, params.items()))
    alike = "mine: 100 images of 5 classes, 240 px, preset tuned, at most 25 epochs, seed 0"
    titles = {one.id: one.title for one in choose(store, "all").contexts}
    assert titles == {
        "a1": alike,
        "b2": f"{alike}, train.temperature=3.0",
        "c3": f"{alike}, train.ema=0.9, train.temperature=3.0",
        "d4": f"{alike}, train.teacher={teacher}",
    }


def test_sets_that_nothing_known_tells_apart_say_when_they_were_made(store: Store) -> None:
    for id_ in ("a1", "b2"):
        for tuned in ("", "n=2") if id_ == "a1" else ("n=1",):
            tags = {**NETWORK_TAGS, "context": id_, "tuned": tuned}
            log(Tracker(store), f"net{tuned}", tags, test_accuracy=0.2)
    began = fetch(store).groupby("context")["started"].max()
    for one in choose(store, "all").contexts:
        assert one.title.endswith(f", seed 0, newest run {began[one.id]:%Y-%m-%d %H:%M} UTC")
