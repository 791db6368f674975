"""What users call a classifier stands for completed runs, the one to take first."""

from __future__ import annotations

import shlex

import pytest

from benchmark.classifier.completed import find_runs, find_trained
from benchmark.tracking.items import Metric, Param
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry import UserError
from tests.ranking.test_tables import NETWORK_TAGS, PARAMS, log

TITLES = {"convmixer": "ConvMixer Model", "basic_cnn": "Basic CNN"}
POINT, OTHER_POINT = "basic_cnn/knn-k5", "basic_cnn/knn-k10"


@pytest.fixture
def runs(store: Store) -> dict[str, str]:
    """Ids of runs, in the order in which they were made; the last context is the newest."""
    tracker = Tracker(store)
    made = {}
    for name, seed, context, val, test in (
        ("convmixer", 0, "old", 0.9, 0.9),
        (OTHER_POINT, 0, "old", 0.1, 0.1),
        ("convmixer", 0, "new", 0.5, 0.8),
        ("convmixer", 1, "new", 0.6, 0.4),
        ("basic_cnn", 0, "new", 0.3, 0.9),
        (POINT, 0, "new", 0.4, 0.1),
        (OTHER_POINT, 0, "new", 0.2, 0.9),
    ):
        network, _, head = name.partition("/")
        tags = {
            "system": "Neighbours on Basic CNN Features" if head else TITLES[name],
            "group": "from scratch",
            "model": network,
            "head": head and "knn",
            "weights": "none",
            "data": "mine",
            "context": context,
        }
        with tracker.start(name, tags) as run:
            run.log(*(Param(key, value) for key, value in (PARAMS | {"seed": seed}).items()))
            run.log(Metric("best_val_accuracy", val), Metric("test_accuracy", test))
        made[f"{name} {seed} {context}"] = run.id
    return made


def set_kept(store: Store, run_id: str) -> None:
    Tracker(store).client.set_tag(run_id, "weights_file", "kept")


@pytest.mark.parametrize(
    ("name", "seed", "context", "wanted"),
    [
        ("best", None, None, "convmixer 1 new"),
        ("best", 0, None, "convmixer 0 new"),
        ("best", None, "ol", "convmixer 0 old"),
        ("convmixer", None, None, "convmixer 1 new"),
        ("convmixer", 0, "old", "convmixer 0 old"),
        ("ConvMixer Model", None, None, "convmixer 1 new"),
        ("basic cnn", None, None, "basic_cnn 0 new"),
        ("Neighbours on Basic CNN Features", None, None, f"{POINT} 0 new"),
        ("basic_cnn/knn", None, None, f"{POINT} 0 new"),
        (OTHER_POINT, None, None, f"{OTHER_POINT} 0 new"),
    ],
)
def test_a_name_stands_for_the_best_seed_of_the_newest_context_by_validation(
    runs: dict[str, str],
    store: Store,
    name: str,
    seed: int | None,
    context: str | None,
    wanted: str,
) -> None:
    found = find_runs(store, name, seed=seed, context=context)
    assert found[0].info.run_id == runs[wanted]


def test_a_head_is_the_best_of_its_grid_in_its_newest_context(
    runs: dict[str, str], store: Store
) -> None:
    for context, wanted in ((None, f"{POINT} 0 new"), ("old", f"{OTHER_POINT} 0 old")):
        found = [run.info.run_id for run in find_runs(store, "basic_cnn/knn", context=context)]
        assert found == [runs[wanted]]


@pytest.mark.parametrize("name", ["convmixer", "ConvMixer Model"])
def test_weights_of_other_data_stand_for_none_of_the_newest(
    runs: dict[str, str], store: Store, name: str
) -> None:
    set_kept(store, runs["convmixer 0 old"])
    with pytest.raises(UserError, match=r"kept no weights.*bench run convmixer --seed 1"):
        find_trained(store, name)
    assert find_trained(store, name, context="old").info.run_id == runs["convmixer 0 old"]
    for context, seed in (("old", 7), ("new", 0)):
        log(Tracker(store), "convmixer", {**NETWORK_TAGS, "context": context}, seed=seed)
    with pytest.raises(UserError, match="no run with this seed, but with 0, 1"):
        find_runs(store, name, seed=7)


def test_another_seed_than_the_best_is_told(
    runs: dict[str, str], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    second, best = runs["convmixer 0 new"], runs["convmixer 1 new"]
    set_kept(store, second)
    assert find_trained(store, "convmixer").info.run_id == second
    assert f"convmixer (seed 1, run {best}) kept no weights" in caplog.text
    assert f"is taken: convmixer (seed 0, run {second})" in caplog.text
    caplog.clear()
    set_kept(store, best)
    assert find_trained(store, "convmixer").info.run_id == best
    assert not caplog.text


def test_an_id_and_a_registered_model_stand_for_their_run(
    runs: dict[str, str], store: Store
) -> None:
    first, second, *_ = runs.values()
    assert [run.info.run_id for run in find_runs(store, first)] == [first]
    client = Tracker(store).client
    client.create_registered_model("pokedex")
    for run_id in (first, second):
        client.create_model_version("pokedex", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("pokedex", "champion", "2")
    for address, wanted in (
        ("models:/pokedex/1", first),
        ("models:/pokedex@champion", second),
        ("models:/pokedex", second),
    ):
        assert find_runs(store, address)[0].info.run_id == wanted
    for address, told in (
        ("models:/pokedx@champion", "did you mean pokedex"),
        ("models:/pokedex/3", "models:/pokedex@champion, models:/pokedex/1, models:/pokedex/2"),
        ("models:/pokedex@chmpion", "there is models:/pokedex@champion"),
        ("models:/", "no address of a model"),
    ):
        with pytest.raises(UserError, match=told):
            find_runs(store, address)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("convmixr", {}, "did you mean convmixer"),
        ("ConvMixer Modell", {}, "did you mean ConvMixer Model"),
        ("bset", {}, "did you mean best"),
        ("convmixer", {"seed": 7}, "no run with this seed, but with 0, 1"),
        ("basic_cnn", {"context": "old"}, "basic_cnn has no run in the context 'old'"),
        ("best", {"context": "x"}, "0 sets of runs begin with 'x'; there are: new"),
        ("best", {"context": ""}, "2 sets of runs begin with ''; there are: new"),
        ("best", {"context": "all"}, "it takes one set of runs"),
        ("a" * 32, {"context": "old"}, "is one run; leave --seed and --context out"),
        ("models:/mine@champion", {"seed": 0}, "is one run; leave --seed and --context out"),
    ],
)
def test_what_stands_for_nothing_is_told_with_what_is_near(
    runs: dict[str, str], store: Store, name: str, options: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        find_runs(store, name, **options)  # type: ignore[arg-type]


def test_the_best_has_only_its_own_seeds_and_those_of_the_newest_context(
    runs: dict[str, str], store: Store
) -> None:
    tags = {**NETWORK_TAGS, "context": "newest"}
    log(Tracker(store), "convmixer", tags, seed=0, test_accuracy=0.5, best_val_accuracy=0.5)
    with pytest.raises(UserError, match="best has no run with this seed, but with 0"):
        find_runs(store, "best", seed=1)


@pytest.mark.parametrize("name", ["convmixer", "best", "ConvMixer Model"])
def test_of_runs_with_several_weights_the_best_on_validation_is_meant(
    store: Store, name: str
) -> None:
    tracker = Tracker(store)
    for weights, val in (("imagenet", 0.9), ("demo", 0.3)):
        tags = {**NETWORK_TAGS, "weights": weights}
        log(tracker, "convmixer", tags, test_accuracy=0.5, best_val_accuracy=val)
    first = find_runs(store, name)[0]
    assert first.data.tags["weights"] == "imagenet"


@pytest.mark.parametrize("name", ["net-frozen", "best", "ConvMixer Model"])
def test_of_several_files_of_weights_and_sizes_the_best_on_validation_is_meant(
    store: Store, name: str
) -> None:
    tags = {**NETWORK_TAGS, "weights": "imagenet", "head": "", "data": "mine", "context": "a1"}
    made = []
    for id_, size, val in (("a" * 64, 224, 0.5), ("b" * 64, 224, 0.9), ("b" * 64, "None", 0.7)):
        with Tracker(store).start("net-frozen", tags) as run:
            own = {"weights_id": id_, "input.size": size, "system.model": "net"}
            run.log(*(Param(key, value) for key, value in (PARAMS | own).items()))
            run.log(Metric("best_val_accuracy", val), Metric("test_accuracy", val))
        made.append(run.id)
    found = [run.info.run_id for run in find_runs(store, name)]
    assert found[0] == made[1]
    assert {*found} <= {*made}


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({}, "bench run convmixer --seed 1 --save-weights all --force$"),
        ({"tuned": "lr=0.001"}, "bench run m-scratch --set train.lr=0.00123 --seed 1 --save"),
        ({"tuned": "C=0.1", "head": "knn"}, "bench leaderboard lists the others$"),
    ],
)
def test_what_kept_no_weights_is_told_with_the_command_that_keeps_them(
    store: Store, tags: dict[str, str], told: str
) -> None:
    tracker = Tracker(store)
    own = {"system.model": "m", "system.schedule": "scratch", "train.lr": 0.00123, "seed": 1}
    given = {**NETWORK_TAGS, "weights": "none", "head": "", "data": "mine", "context": "a1"}
    with tracker.start("convmixer", given | tags) as run:
        run.log(*(Param(key, value) for key, value in (PARAMS | own).items()))
        run.log(Metric("best_val_accuracy", 0.5), Metric("test_accuracy", 0.5))
    with pytest.raises(UserError, match=told):
        find_trained(store, "convmixer")


@pytest.mark.parametrize("tuned", ["", "betas=(0.9, 0.95)"])
def test_that_command_survives_a_shell(store: Store, tuned: str) -> None:
    name = "" if tuned else "x-frozen/my_mlp-hidden=(64, 32)"
    own = {"system.model": "plugin's", "system.schedule": "scratch", "train.betas": "(0.9, 0.95)"}
    own_tags = {"tuned": tuned, "head": "" if tuned else "my_mlp"}
    given = {**NETWORK_TAGS, "weights": "none", "data": "mine", "context": "a1"}
    with Tracker(store).start(name or "plugin's-scratch", {**given, **own_tags}) as run:
        run.log(*(Param(key, value) for key, value in (PARAMS | own).items()))
        run.log(Metric("best_val_accuracy", 0.5), Metric("test_accuracy", 0.5))
    with pytest.raises(UserError) as told:
        find_trained(store)
    parts = shlex.split(str(told.value).partition("settings: ")[2])
    chosen = ["plugin's-scratch", "--set", "train.betas=(0.9, 0.95)"] if tuned else [name]
    assert parts == ["bench", "run", *chosen, "--save-weights", "all", "--force"]


@pytest.mark.parametrize("name", ["Bob's best", 'the "best"', "50% \\ new", "all: '\"` _%"])
def test_a_renamed_run_is_found(store: Store, name: str) -> None:
    tracker = Tracker(store)
    log(tracker, "convmixer", NETWORK_TAGS, test_accuracy=0.5, best_val_accuracy=0.5)
    (run,) = find_runs(store, "convmixer")
    tracker.client.update_run(run.info.run_id, name=name)
    log(tracker, name.replace(" ", "_"), NETWORK_TAGS, test_accuracy=0.5, best_val_accuracy=0.4)
    (renamed,) = find_runs(store, name)
    assert renamed.info.run_id == run.info.run_id
