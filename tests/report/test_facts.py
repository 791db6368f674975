"""What a report says of its runs' settings, where systems have recipes of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.report import facts
from benchmark.study.config import Config, override
from benchmark.study.presets import preset
from benchmark.study.suite import PUBLISHED
from benchmark.study.tuned import TEACHER

DATA = {
    "data.num_classes": "151",
    "data.num_images": "9",
    "data.image_size": "240",
    "data.seed": "0",
}


def params(config: Config, system: str = "convmixer-scratch", **own: object) -> dict[str, str]:
    """As MLflow keeps them."""
    model, _, schedule = system.partition("-")
    train = config.train_of(system).model_dump() | own
    named = {f"train.{key}": str(value) for key, value in train.items()}
    return {"system.model": model, "system.schedule": schedule, **DATA, **named}


def run(
    settings: dict[str, str], seed: int = 3, name: str = "convmixer-scratch", **tags: str
) -> Any:
    tags = {"group": "from scratch", "preset": "tuned", "weights": "none", **tags}
    data = SimpleNamespace(params={**settings, "data.name": "mine", "seed": str(seed)}, tags=tags)
    return SimpleNamespace(data=data, info=SimpleNamespace(run_name=name))


def test_a_recipe_of_the_preset_is_told_as_one_and_not_repeated() -> None:
    settings = params(preset("tuned"))
    assert facts.departures([run(settings)], ["none"]) == [
        "a recipe for each system (study: one for all)"
    ]
    command = "bench run convmixer-scratch --data DIR --preset tuned --seed 3"
    assert facts.commands([run(settings)]) == [command]


def test_what_was_set_besides_is_told_and_repeated() -> None:
    settings = params(override(preset("tuned"), ["train.lr=0.5", "train.patience=7"]))
    told = facts.departures([run(settings)], ["none"])
    assert "train.lr=0.5 (study: 0.001)" in told
    assert "train.patience=7 (study: 5)" in told
    assert len(told) == 3
    (command,) = facts.commands([run(settings)])
    assert command.endswith("--seed 3 --set train.lr=0.5 --set train.patience=7")
    (command,) = facts.commands([run(settings | {"train.lr": "(1, 2)"})])
    assert "--set 'train.lr=(1, 2)'" in command


@pytest.mark.parametrize(
    ("name", "assignments", "student"),
    [
        ("study", [f"train.teacher={TEACHER}", "train.temperature=3.0"], "convmixer-scratch"),
        ("tuned", ["train.temperature=4.0"], "basic_cnn-scratch"),
        ("tuned", ["train.teacher=efficientnet_lite0-frozen"], "basic_cnn-scratch"),
    ],
)
def test_what_the_newest_run_does_not_show_is_told_and_repeated(
    name: str, assignments: list[str], student: str
) -> None:
    config, teacher = override(preset(name), assignments), "efficientnet_lite0-frozen"
    made = [
        run(params(config, system, **untaught), 0, system, preset=name)
        for system, untaught in ((teacher, {"teacher": None}), (student, {}))
    ]
    for runs in (made, made[::-1]):
        (command,) = facts.commands(runs)
        assert command.split(" --set ")[1:] == assignments
        told = facts.departures(runs, ["none"])
        assert [line.split(" (")[0] for line in told if "recipe" not in line] == assignments


def test_a_taught_system_that_teaches_others_is_no_teacher_set_to_none() -> None:
    config = override(preset("tuned"), ["train.teacher=basic_cnn-scratch"])
    made = [
        run(params(config, "basic_cnn-scratch", teacher=None), 0, "basic_cnn-scratch"),
        run(params(config), 0),
    ]
    for runs in (made, made[::-1]):
        (command,) = facts.commands(runs)
        assert command.split(" --set ")[1:] == ["train.teacher=basic_cnn-scratch"]


def test_no_limit_is_told_in_words_that_can_be_typed() -> None:
    settings = params(override(preset("study"), ["train.patience=none"]))
    told = facts.departures([run(settings, preset="study")], ["none"])
    assert told == ["train.patience=none (study: 5)"]


def test_a_size_is_told_by_the_setting_that_gives_it_again() -> None:
    settings = {**params(preset("study")), "data.image_size": "64"}
    for own_size, key in (("None", "data.image_size"), ("224", "data.study_size")):
        settings["input.size"] = own_size
        told = facts.departures([run(settings, preset="study")], ["none"])
        assert told == [f"{key}=64 (study: 240)"]
    assert "--set data.study_size=64" in facts.commands([run(settings)])[0]


def test_runs_are_repeated_by_their_own_seeds_and_no_sweeps_settings() -> None:
    plain = params(preset("study"))
    tuned = run({**plain, "train.lr": "0.5"}, 0, tuned="lr=0.5")
    runs = [tuned, run(plain, 1), run(plain, 0), run(plain, 0, "basic_cnn-scratch")]
    end = "--data DIR --preset tuned"
    assert [line.split(" --set")[0] for line in facts.commands(runs)] == [
        f"bench run basic_cnn-scratch {end} --seed 0",
        f"bench run convmixer-scratch {end} --seeds 0,1",
    ]
    assert "0.5" not in " ".join(facts.commands(runs))
    assert facts.commands([tuned]) == []


def test_the_whole_study_is_all_and_starts_from_the_weights_that_were_asked_for() -> None:
    plain = params(preset("study"))
    made = [run(plain, 0, name, preset="quick", weights="demo") for name in PUBLISHED]
    lite = run(plain, 0, "efficientnet_lite0-frozen", preset="quick", weights="imagenet")
    start = "bench run --all --data DIR --preset quick --seed 0 --weights demo --set "
    (command,) = facts.commands([lite, *made])
    assert command.startswith(start)
    (command,) = facts.commands([lite, *made[2:]], made[:2])  # these were skipped
    assert command.startswith(start)
    (command,) = facts.commands([lite, *made[2:]])
    assert "--all" not in command
    other = run(plain, 0, "timm:resnet10t-frozen", preset="quick", weights="demo")
    whole, named = facts.commands([lite, other, *made])
    assert whole.startswith(start)
    assert named.startswith("bench run timm:resnet10t-frozen --data DIR --preset quick")


def test_each_kind_of_weights_that_a_name_was_made_with_has_a_command() -> None:
    plain = {**params(preset("study")), "data.seed": "5"}
    made = [run(plain, 0, "resnet18-frozen", weights=weights) for weights in ("imagenet", "demo")]
    own = facts.commands([*made, run(plain, 0)])
    assert [line.split(" --set")[0] for line in own] == [
        "bench run resnet18-frozen --data DIR --preset tuned --seed 0 --weights demo",
        "bench run resnet18-frozen --data DIR --preset tuned --seed 0 --weights imagenet",
        "bench run convmixer-scratch --data DIR --preset tuned --seed 0",
    ]
    assert all(line.endswith("--set data.split_seed=5") for line in own)


def test_weights_of_a_users_folder_are_asked_for_by_their_folder() -> None:
    plain = params(preset("study"))
    names = ("timm:resnet10t-frozen", "timm:resnet14t-frozen", "efficientnet_lite0-frozen")
    first, second, installed = (
        run({**plain, "weights_id": id_}, 0, name, weights="imagenet")
        for name, id_ in zip(names, ("1a2b", "3c4d", ""), strict=True)
    )
    demo = run({**plain, "weights_id": "5e6f"}, 0, "resnet18-frozen", weights="demo")
    end = "--data DIR --preset tuned --seed 0 --weights"

    def told(*runs: Any) -> list[str]:
        return [line.split(" --set")[0] for line in facts.commands(runs)]

    all_three = " ".join(sorted(names))
    assert told(first, second, installed) == [f"bench run {all_three} {end} DIR_OF_WEIGHTS"]
    assert told(first, demo) == [
        f"bench run {names[0]} {end} DIR_OF_WEIGHTS",
        f"bench run resnet18-frozen {end} demo",
    ]
    downloaded = run(plain, 0, names[0], weights="imagenet")
    other = run({**plain, "weights_id": "7a8b"}, 0, names[0], weights="imagenet")
    assert told(first, downloaded, other) == [
        f"bench run {names[0]} {end} {weights}"
        for weights in ("DIR_OF_WEIGHTS", "DIR_OF_WEIGHTS", "imagenet")
    ]
