from fnmatch import fnmatchcase

import pytest
import timm

from benchmark.study.config import Config, override, setting_keys, setting_values
from benchmark.study.expansion import find_teachers
from benchmark.study.presets import PRESETS, changes, preset
from benchmark.study.suite import systems


def test_study_preset_is_the_study() -> None:
    config = preset("study")
    assert config.data.size == 240
    assert (config.data.classes, config.data.images_per_class) == (None, None)
    assert (config.train.epochs, config.train.lr, config.train.freeze_epochs) == (25, 0.001, 4)
    assert config.weights == "imagenet"


def test_quick_preset_is_smaller_and_needs_no_network() -> None:
    quick, study = preset("quick"), preset("study")
    assert quick.weights == "demo"
    assert quick.data.size < study.data.size
    assert quick.train.epochs < study.train.epochs
    assert quick.train.freeze_epochs < quick.train.epochs  # the backbone gets its turn
    assert quick.demo.species * quick.demo.test_images_per_species == 300  # as README says
    assert quick.pretrain.models == "resnet18"


def test_what_a_preset_shrank_is_said_in_numbers() -> None:
    assert changes(preset("study")) == []
    assert changes(override(preset("study"), ["seed=3", "data.source=mine"])) == []
    said = changes(preset("quick"))
    assert "data.study_size=64 (study: 240)" in said
    assert "data.classes=10 (study: all)" in said
    assert "weights=demo (study: imagenet)" in said


def test_a_size_for_all_models_stands_beside_the_studys() -> None:
    said = changes(override(preset("quick"), ["data.image_size=96"]))
    assert "data.image_size=96 (study: 240)" in said
    assert not any("study_size" in one for one in said)


def test_presets_are_called_by_their_name() -> None:
    assert all(make().preset == name for name, make in PRESETS.items())


def test_unknown_preset_suggests_a_near_one() -> None:
    with pytest.raises(ValueError, match="did you mean quick"):
        preset("quik")


def test_override_changes_only_what_it_names() -> None:
    changed = override(Config(), ["train.epochs=7", "data.classes=3", "weights=demo"])
    assert (changed.train.epochs, changed.data.classes, changed.weights) == (7, 3, "demo")
    assert changed.train.lr == Config().train.lr
    assert Config().train.epochs == 25


def test_a_zero_has_no_sign_that_would_make_it_another_setting() -> None:
    for key in ("mixup", "weight_decay"):
        config = override(Config(), [f"train.{key}=-0.0"])
        assert config.model_dump_json() == Config().model_dump_json()


def test_override_with_none_lifts_a_limit() -> None:
    assert override(preset("quick"), ["data.classes=none"]).data.classes is None


def test_every_key_that_is_listed_can_be_set() -> None:
    values = Config().model_dump()
    for key in setting_keys():
        value = values
        for part in key.split("."):
            value = value[part]
        assert override(Config(), [f"{key}={value}"]) == Config()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epoch=3", "did you mean train.epochs"),
        ("epochs=3", "no setting is called 'epochs'"),
        ("train.epochs", "write train.epochs=VALUE"),
        ("train.epochs=many", "epochs=many: .*valid integer; it takes 1 to 100,000"),
        ("train.flip=maybe", "flip=maybe: .*valid boolean; it takes true, false"),
        ("train.epochs=0", "--set train.epochs=0: .*greater than or equal to 1"),
        ("weights=mine", "--set weights=mine: .*'imagenet' or 'demo'"),
        ("preset=quick", "no setting is called 'preset'"),
        ("data.source=", "--set data.source=: .*at least 1 character"),
        ("data.image_size=1000000", "less than or equal to 4096"),
        ("train.lr=inf", "--set train.lr=inf: .*finite number"),
        ("train.weight_decay=nan", "finite number"),
        ("train.lr=1e9", "less than or equal to 100"),
        ("train.epochs=1000000000", "less than or equal to 100000"),
        ("seed=4294967296", "less than or equal to 4294967295"),
    ],
)
def test_wrong_settings_are_refused_with_what_would_be_right(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(Config(), [assignment])


def test_tuned_is_the_study_but_for_how_its_networks_are_trained() -> None:
    tuned, published = preset("tuned"), preset("study")
    assert setting_values(tuned) == setting_values(published)
    assert changes(tuned) == ["a recipe for each system (study: one for all)"]
    networks = [system for system in systems() if system.head is None]
    assert all(tuned.train_of(system.name) != tuned.train for system in networks)
    assert {tuned.train_of(system.name).epochs for system in networks} == {25}
    of_timm = [f"timm:{name}-{way}" for name in timm.list_models() for way in ("scratch", "staged")]
    for glob in tuned.recipes:
        named = of_timm if glob.startswith("timm:") else [system.name for system in networks]
        assert any(fnmatchcase(name, glob) for name in named), glob
    teachers = find_teachers(networks, tuned)
    assert {system.name for system in teachers.values()} == set(teachers)


@pytest.mark.parametrize("recipe", [{"lr": -1}, {"lrr": 1}])
def test_a_recipe_is_checked_like_all_settings(recipe: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lr"):
        Config(recipes={"*": recipe}).train_of("convmixer-scratch")
