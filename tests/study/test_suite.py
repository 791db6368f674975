import pytest

from benchmark.study.suite import BEYOND, PUBLISHED, System, find_systems, systems
from registry import models
from registry.specs import ModelSpec

SUMMARY_TABLE = {
    ("Basic CNN", "from scratch"): [0.0066],
    ("Custom CNN Modern (Residual CNN)", "from scratch"): [0.1189],
    ("ConvMixer Model", "from scratch"): [0.7109],
    ("ResNet18 From Scratch", "from scratch"): [0.5924],
    ("Vision Transformer (ViT) From Scratch", "from scratch"): [0.0844],
    ("ResNet18 Fine-Tuned", "experiment 1"): [0.6958],
    ("Pretrained ViT Staged Fine-Tune", "experiment 1"): [0.0385],
    ("XGBoost on ResNet Features", "experiment 1"): [0.41, 0.42, 0.42],
    ("Random Forest on ResNet Features", "experiment 1"): [0.25, 0.36, 0.43],
    ("Extra Trees on ResNet Features", "experiment 1"): [0.31, 0.43, 0.46],
    ("ResNet18 Fine-Tuned with Frozen Deep Head", "experiment 2"): [0.5937],
    ("Pretrained ViT Staged Fine-Tune with Frozen Deep Head", "experiment 2"): [0.8271],
    ("XGBoost on Fine-Tuned ResNet Head Features", "experiment 2"): [0.57, 0.57, 0.58],
    ("Random Forest on Fine-Tuned ResNet Head Features", "experiment 2"): [0.55, 0.62, 0.63],
    ("Extra Trees on Fine-Tuned ResNet Head Features", "experiment 2"): [0.56, 0.64, 0.66],
}
"""The study's 15 systems with the accuracies of its tables, by setting."""


def test_the_study_is_its_15_systems_in_27_runs_with_its_accuracies() -> None:
    found: dict[tuple[str, str], list[float]] = {}
    of_study = [system for system in systems() if system.group != BEYOND]
    for system in of_study:
        found.setdefault((system.title, system.group), []).append(PUBLISHED[system.name])
    assert found == SUMMARY_TABLE
    assert [system.name for system in of_study] == [system.name for system in systems()[:27]]


def test_every_head_has_the_studys_grid() -> None:
    grids: dict[tuple[str, str | None], list[tuple[int, int]]] = {}
    for system in systems():
        if system.head and system.group != BEYOND:
            params = dict(system.params)
            point = (params["n_estimators"], params["max_depth"])
            grids.setdefault((system.schedule, system.head), []).append(point)
    assert len(grids) == 6
    assert all(grid == [(100, 10), (200, 16), (300, 24)] for grid in grids.values())


def test_beyond_the_study_are_a_backbone_with_real_weights_and_every_head_on_it() -> None:
    beyond = [system for system in systems() if system.group == BEYOND]
    networks = [system.name for system in beyond if system.head is None]
    assert networks == ["efficientnet_lite0-staged", "efficientnet_lite0-frozen"]
    assert {system.title for system in beyond} == {
        "EfficientNet-Lite0 Fine-Tuned",
        "EfficientNet-Lite0 Frozen",
        "Logistic Regression on EfficientNet-Lite0 Features",
        "Nearest Neighbours on EfficientNet-Lite0 Features",
        "XGBoost on EfficientNet-Lite0 Features",
        "Random Forest on EfficientNet-Lite0 Features",
        "Extra Trees on EfficientNet-Lite0 Features",
    }
    assert all(system.schedule == "frozen" for system in beyond if system.head)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("vit_b_16-frozen/extra_trees", "experiment 2"),
        ("resnet18-scratch/extra_trees", "from scratch"),
        ("resnet18-frozen/logistic_regression", BEYOND),
        ("timm:resnet10t-staged", BEYOND),
    ],
)
def test_what_the_study_did_not_have_is_beyond_it(name: str, group: str) -> None:
    assert {system.group for system in find_systems([name])} == {group}


def test_names_are_unique() -> None:
    names = [system.name for system in systems()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["convmixer"], ["convmixer-scratch"]),
        (["eff*/logistic*-C0.1"], ["efficientnet_lite0-frozen/logistic_regression-C0.1"]),
        (["resnet18-f*/x*-n100*"], ["resnet18-frozen/xgboost-n100-d10"]),
        (["vit*", "vit_b_16-frozen"], ["vit_b_16-scratch", "vit_b_16-staged", "vit_b_16-frozen"]),
        (["timm:resnet10t"], ["timm:resnet10t-scratch"]),
        (["timm:resnet10t-frozen"], ["timm:resnet10t-frozen"]),
        (
            ["timm:resnet10t-frozen/knn-k5", "vit_b_16-frozen/logistic_regression-C1.0"],
            ["timm:resnet10t-frozen/knn-k5", "vit_b_16-frozen/logistic_regression-C1.0"],
        ),
        (
            ["vit_b_16-frozen/extra_trees"],
            [
                "vit_b_16-frozen/extra_trees-n100-d10",
                "vit_b_16-frozen/extra_trees-n200-d16",
                "vit_b_16-frozen/extra_trees-n300-d24",
            ],
        ),
    ],
)
def test_names_and_globs_are_resolved(patterns: list[str], names: list[str]) -> None:
    assert [system.name for system in find_systems(patterns)] == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("resnet19", "did you mean resnet18"),
        ("nothing*", "no system is called 'nothing\\*'"),
        ("basic_cnn-frozen", "basic_cnn is not trained frozen; name basic_cnn-scratch"),
        (
            "efficientnet_lite0",
            "is not trained from scratch; name efficientnet_lite0-staged or efficientnet_lite0-f",
        ),
        ("resnet18-frozen/xgbost", "did you mean xgboost"),
        ("resnet18-frozen/logistic_regression-C1", "did you mean logistic_regression-C1.0 or"),
        ("timm:resnet1", "timm has no model 'resnet1'; did you mean"),
    ],
)
def test_wrong_names_are_refused_with_near_ones(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_systems([pattern])


def test_a_registered_model_joins_the_suite_without_an_edit() -> None:
    models.add(ModelSpec(name="newcomer", title="Newcomer", factory=models["convmixer"].factory))
    try:
        newcomer = System(model="newcomer", schedule="scratch")
        assert newcomer in systems()
        assert newcomer.group == BEYOND
    finally:
        models.remove("newcomer")
