import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.execution.planning import embedding_ids, teacher_ids, weights_bytes, weights_ids
from benchmark.study.checks import check_growing_images
from benchmark.study.config import Config, TrainConfig, override
from benchmark.study.expansion import make_plan
from benchmark.study.plan import DataSpec, Plan, RunSpec
from benchmark.study.suite import BEYOND, find_systems, systems
from registry.errors import UserError

DATA = DataSpec(name="mine", fingerprint="abc", image_size=32, num_classes=3, num_images=42, seed=0)
OTHER = replace(DATA, name="demo", fingerprint="def")
TEACHER = "resnet18-frozen/extra_trees-n100-d10"


def plan(patterns: list[str] | None = None, config: Config | None = None) -> Plan:
    config = config or Config()
    chosen = systems() if patterns is None else find_systems(patterns)
    return make_plan(chosen, config, DATA, OTHER if config.weights == "demo" else None)


def by_name(planned: Plan) -> dict[str, RunSpec]:
    return {spec.name: spec for spec in planned}


def test_every_run_comes_after_those_it_needs() -> None:
    done: set[str] = set()
    for spec in plan(config=Config(weights="demo")):
        assert set(spec.needs) <= done
        done.add(spec.id)


def test_demo_weights_add_a_pretraining_where_no_weights_are_installed() -> None:
    with_demo = plan(config=Config(weights="demo"))
    assert len(with_demo) == len(plan()) + 2
    weights = {spec.system.model: spec.weights for spec in with_demo if spec.group == BEYOND}
    assert weights == {"efficientnet_lite0": "imagenet"}
    assert [spec.name for spec in with_demo if spec.pretraining] == [
        "resnet18-pretrained",
        "vit_b_16-pretrained",
    ]
    assert all(spec.data == OTHER for spec in with_demo if spec.pretraining)


def test_pictures_say_what_is_beyond_the_study_and_of_which_seed() -> None:
    for pattern, told in (
        ("efficientnet_lite0-frozen", "efficientnet_lite0-frozen (seed 1), beyond the study"),
        ("resnet18-frozen", "resnet18-frozen (seed 1)"),
    ):
        (spec,) = plan([pattern], Config(seed=1))
        assert spec.heading == told


def test_only_what_drawn_species_teach_is_pretrained_on_them() -> None:
    pretrain = Config().pretrain.model_copy(update={"models": "resnet18"})
    planned = by_name(plan(config=Config(weights="demo", pretrain=pretrain)))
    assert "vit_b_16-pretrained" not in planned
    assert planned["resnet18-frozen"].pretraining_id == planned["resnet18-pretrained"].id
    assert planned["vit_b_16-frozen"].pretraining_id is None


def test_a_head_brings_its_backbone_and_the_backbone_its_pretraining() -> None:
    planned = by_name(plan(["resnet18-frozen/xgboost-n100-d10"], Config(weights="demo")))
    assert list(planned) == [
        "resnet18-pretrained",
        "resnet18-frozen",
        "resnet18-frozen/xgboost-n100-d10",
    ]
    head, backbone = planned["resnet18-frozen/xgboost-n100-d10"], planned["resnet18-frozen"]
    assert head.needs == (backbone.id,)
    assert backbone.needs == (planned["resnet18-pretrained"].id,)
    assert head.weights == backbone.weights == "demo"


def test_a_student_brings_its_teacher_with_what_that_needs() -> None:
    taught = Config().model_copy(update={"train": TrainConfig(teacher=TEACHER)})
    planned = by_name(plan(["convmixer", "resnet18-staged"], taught))
    assert list(planned) == ["resnet18-frozen", TEACHER, "convmixer-scratch", "resnet18-staged"]
    student, teacher = planned["convmixer-scratch"], planned[TEACHER]
    assert student.needs == (teacher.id,)
    assert student.teacher_id == teacher.id
    assert student.title == "ConvMixer Model (distilled)"
    assert planned["resnet18-frozen"].train.teacher is teacher.teacher_id is None
    assert teacher_ids(Plan(planned.values())) == {teacher.id}
    assert embedding_ids(Plan(planned.values())) >= {planned["resnet18-frozen"].id}
    other = by_name(plan(["convmixer"], taught.model_copy(update={"seed": 1})))
    assert other["convmixer-scratch"].id != student.id


def test_a_demo_pretrained_student_needs_both_and_its_pretraining_no_teacher() -> None:
    train = TrainConfig(teacher="convmixer-scratch")
    planned = by_name(plan(["resnet18-staged"], Config(weights="demo", train=train)))
    assert list(planned) == ["resnet18-pretrained", "convmixer-scratch", "resnet18-staged"]
    student, pretraining = planned["resnet18-staged"], planned["resnet18-pretrained"]
    assert student.needs == (pretraining.id, planned["convmixer-scratch"].id)
    assert pretraining.train.teacher is pretraining.teacher_id is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18-frozen/extra_trees", "stands for 3 systems; name one, such as resnet18-frozen/"),
        ("resnet19", "did you mean resnet18"),
    ],
)
def test_a_teacher_is_one_system(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(["convmixer"], Config(train=TrainConfig(teacher=name)))


def test_systems_have_recipes_of_their_own_and_share_a_table() -> None:
    recipes = {"*-scratch": {"lr": 0.5, "flip": True}, "convmixer-*": {"lr": 0.25}}
    config = override(Config(recipes=recipes), ["train.epochs=7"])
    planned = by_name(plan(["convmixer", "basic_cnn", "resnet18-staged"], config))
    rates = {name: spec.train.lr for name, spec in planned.items()}
    assert rates == {"convmixer-scratch": 0.25, "basic_cnn-scratch": 0.5, "resnet18-staged": 0.001}
    assert planned["convmixer-scratch"].train.flip
    assert {spec.train.epochs for spec in planned.values()} == {7}
    assert len({spec.context for spec in planned.values()}) == 1
    same = by_name(plan(["resnet18-staged"], override(Config(), ["train.epochs=7"])))
    assert same["resnet18-staged"].context != planned["resnet18-staged"].context
    ordered = override(config, ["train.lr=0.1"])
    assert {spec.train.lr for spec in plan(["convmixer", "basic_cnn"], ordered)} == {0.1}
    assert config.recipes == recipes


def test_images_grow_only_for_networks_that_take_smaller_ones() -> None:
    growing = Config(train=TrainConfig(start_size=0.5))
    check_growing_images(plan(["convmixer", "resnet18-staged"], growing))
    for name in ("basic_cnn", "vit_b_16"):
        with pytest.raises(
            UserError, match=r"not of 16: they cannot grow; leave out train.start_size=0.5"
        ):
            check_growing_images(plan([name], growing))


def test_a_size_on_the_way_is_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    class TakesAllBut24(torch.nn.Module):
        def forward_features(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[-1] != 24
            return x

        def forward_head(self, x: torch.Tensor) -> torch.Tensor:
            return x

    monkeypatch.setattr("registry.specs.ModelSpec.make", lambda spec, size: TakesAllBut24())
    growing = Config(train=TrainConfig(start_size=0.5))
    with pytest.raises(UserError, match="takes images of 32 pixels, but not of 24"):
        check_growing_images(plan(["convmixer"], growing))


@pytest.mark.parametrize(
    ("full", "sides"),
    [(100, [48, 56, 64, 72, 80, 88, 96, 100]), (30, [16, 24, 30]), (32, [16, 24, 32])],
)
def test_images_grow_to_their_own_size_and_never_beyond(full: int, sides: list[int]) -> None:
    train = TrainConfig(start_size=0.5)
    assert sorted({train.side(full, step / 500) for step in range(500)}) == sides
    assert train.side(full, 1) == full


def test_an_id_is_the_same_for_the_same_content_and_in_another_process() -> None:
    first, second = by_name(plan()), by_name(plan())
    assert {name: spec.id for name, spec in first.items()} == {
        name: spec.id for name, spec in second.items()
    }
    spec = first["convmixer-scratch"]
    restored: RunSpec = replace(pickle.loads(pickle.dumps(spec)))  # anew: it takes its id along
    assert "id" not in vars(restored)
    assert restored == spec
    assert restored.id == spec.id


def test_ids_stay_what_they_are() -> None:
    """If one changes, all results of users are made again: raise SPEC_VERSION, and say so."""
    planned = by_name(plan(config=Config(seed=3)))
    names = ("convmixer-scratch", "resnet18-staged", "resnet18-staged/extra_trees-n100-d10")
    assert [planned[name].id for name in names] == [
        "9e0e23956c9d39c1",
        "aad75c6add54a4eb",
        "c24b3a4cd8ab099f",
    ]


def test_whatever_changes_a_result_changes_the_ids_of_all_that_build_on_it() -> None:
    before = by_name(plan(config=Config(weights="demo")))
    pretrain = Config().pretrain.model_copy(update={"epochs": 2})
    after = by_name(plan(config=Config(weights="demo", pretrain=pretrain)))
    changed = {name for name in before if before[name].id != after[name].id}
    assert "resnet18-pretrained" in changed
    assert "resnet18-staged/extra_trees-n100-d10" in changed
    assert "convmixer-scratch" not in changed
    for other in (Config(seed=1), Config(train=TrainConfig(lr=0.1))):
        assert by_name(plan(config=other))["basic_cnn-scratch"].id != before["basic_cnn-scratch"].id


def test_own_weights_are_known_by_their_content(tmp_path: Path) -> None:
    def planned(folder: Path | None) -> RunSpec:
        config = Config(weights_folder=None if folder is None else str(folder))
        return by_name(plan(["timm:resnet10t-frozen"], config))["timm:resnet10t-frozen"]

    found = [planned(None)]
    for content in (b"one", b"other", b"one"):
        (tmp_path / "resnet10t.pth").write_bytes(content)
        found.append(planned(tmp_path))
    assert [one.weights for one in found] == ["imagenet"] * 4
    assert found[0].weights_id == ""
    assert found[1].weights_id == hashlib.sha256(b"one").hexdigest()
    assert found[1].id == found[3].id
    assert len({one.id for one in found}) == 3
    assert len({one.context for one in found}) == 1


def test_a_student_and_its_teacher_stand_in_one_table() -> None:
    planned = plan(["convmixer"], Config(train=TrainConfig(teacher=TEACHER)))
    assert {spec.name for spec in planned} > {"convmixer-scratch", TEACHER}
    assert len({spec.context for spec in planned}) == 1


def test_a_table_holds_runs_of_one_context_whatever_their_weights() -> None:
    imagenet, demo = plan(), plan(config=Config(weights="demo"))
    contexts = {spec.context for spec in [*imagenet, *demo] if not spec.pretraining}
    assert len(contexts) == 1
    assert {spec.context for spec in plan(config=Config(seed=1))} == contexts
    other = Config(train=TrainConfig(epochs=3))
    assert {spec.context for spec in plan(config=other)}.isdisjoint(contexts)


def test_repeats_have_backbones_of_their_own_and_share_pretraining_and_table() -> None:
    chosen = find_systems(["resnet18-frozen/xgboost-n100-d10", "convmixer"])
    planned = list(make_plan(chosen, Config(weights="demo"), DATA, OTHER, seeds=(0, 3)))
    assert [spec.label for spec in planned] == [
        "resnet18-pretrained",
        "resnet18-frozen",
        "resnet18-frozen/xgboost-n100-d10",
        "convmixer-scratch",
        "resnet18-frozen (seed 3)",
        "resnet18-frozen/xgboost-n100-d10 (seed 3)",
        "convmixer-scratch (seed 3)",
    ]
    pretraining, first, _, _, second, head, _ = planned
    assert first.needs == second.needs == (pretraining.id,)
    assert head.needs == (second.id,)
    assert len({spec.context for spec in planned if not spec.pretraining}) == 1
    (alone,) = make_plan(chosen[1:], Config(seed=3), DATA, None)
    assert alone.id == planned[-1].id  # whichever command asks for it


def test_embeddings_and_needed_weights_are_those_of_the_heads_backbones() -> None:
    planned = plan()
    named = {planned[id_].name for id_ in embedding_ids(planned)}
    assert named == {"resnet18-staged", "resnet18-frozen", "efficientnet_lite0-frozen"}
    assert weights_ids(planned, "needed") == embedding_ids(planned)
    assert weights_ids(planned, "none") == frozenset()
    assert len(weights_ids(planned, "all")) == len(planned)


def test_embeddings_are_kept_for_heads_that_may_come_later() -> None:
    alone = plan(["resnet18-frozen"])
    assert len(embedding_ids(alone)) == 1
    assert not embedding_ids(plan(["resnet18-scratch"]))


def test_pretrained_weights_are_kept_in_any_case() -> None:
    planned = plan(["resnet18-frozen"], Config(weights="demo"))
    kept = [planned[id_].name for id_ in weights_ids(planned, "none")]
    assert kept == ["resnet18-pretrained"]


def test_disk_for_weights_is_four_bytes_a_parameter() -> None:
    planned = plan(["convmixer"])
    parameters = 704_151 - (151 - 3) * 257  # three classes instead of 151
    assert weights_bytes(planned, weights_ids(planned, "all")) == [4 * parameters]
