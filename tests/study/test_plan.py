import pickle
from dataclasses import replace

from benchmark.execution.planning import embedding_ids, weights_bytes, weights_ids
from benchmark.study.config import Config, TrainConfig
from benchmark.study.plan import DataSpec, Plan, RunSpec, make_plan
from benchmark.study.suite import BEYOND, find_systems, systems

DATA = DataSpec(name="mine", fingerprint="abc", image_size=32, num_classes=3, num_images=42, seed=0)
OTHER = replace(DATA, name="demo", fingerprint="def")


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


def test_an_id_is_the_same_for_the_same_content_and_in_another_process() -> None:
    first, second = by_name(plan()), by_name(plan())
    assert {name: spec.id for name, spec in first.items()} == {
        name: spec.id for name, spec in second.items()
    }
    spec = first["convmixer-scratch"]
    restored: RunSpec = pickle.loads(pickle.dumps(spec))
    assert restored == spec
    assert restored.id == spec.id


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


def test_a_table_holds_runs_of_one_context_whatever_their_weights() -> None:
    imagenet, demo = plan(), plan(config=Config(weights="demo"))
    contexts = {spec.context for spec in [*imagenet, *demo] if not spec.pretraining}
    assert len(contexts) == 1
    assert {spec.context for spec in plan(config=Config(seed=1))}.isdisjoint(contexts)


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
    assert weights_bytes(planned, weights_ids(planned, "all")) == 4 * parameters
