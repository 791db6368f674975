"""Search spaces hold their head's grid, and grids are read from the command line."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmark.sweep.head_target import HeadTarget
from benchmark.sweep.names import resolve
from benchmark.sweep.space import SettingSpace
from registry import heads
from registry.errors import UserError
from registry.search_space import SearchSpace, Suggest
from registry.specs import HeadSpec
from tests.sweep.synthetic import base, head_space, make_growth


def target(head: str) -> HeadTarget:
    return HeadTarget(base=base(), head=head)


SWEPT = ["extra_trees", "random_forest", "xgboost"]


@pytest.mark.parametrize("head", SWEPT)
def test_the_heads_grid_lies_in_its_space(head: str) -> None:
    space = head_space(head)
    points = space.points()
    assert [(p["n_estimators"], p["max_depth"]) for p in points] == [
        (100, 10),
        (200, 16),
        (300, 24),
    ]
    study = optuna.create_study()
    for point in points:
        study.enqueue_trial(point)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Optuna warns of values out of range
            assert space.suggest(study.ask()) == point


@pytest.mark.parametrize("head", SWEPT)
def test_a_point_with_the_defaults_is_the_studys_point(head: str) -> None:
    space = heads[head].search_space
    assert space is not None
    bare = make_growth(head).grow({"max_depth": 10}, 12)
    spelled = make_growth(head).grow({"max_depth": 10, **space.defaults}, 12)
    assert bare == spelled


def test_some_settings_vary_and_the_others_stay() -> None:
    space = head_space("extra_trees", "n_estimators", "max_depth")
    trial = optuna.create_study().ask()
    params = space.suggest(trial)
    assert set(trial.params) == {"n_estimators", "max_depth"}
    assert params["max_features"] == "sqrt"
    assert params["bootstrap"] is False
    assert space.points()[0] == {"n_estimators": 100, "max_depth": 10}


def test_what_is_not_varied_is_as_in_the_grid_before_it_is_as_by_default() -> None:
    def suggest(trial: Suggest) -> dict[str, Any]:
        return {name: trial.suggest_int(name, 1, 9) for name in ("a", "b", "c")}

    space = SettingSpace(
        name="head",
        space=SearchSpace(suggest=suggest, defaults={"b": 1, "c": 1}),
        grid=({"a": 5, "b": 5},),
        only=("a",),
    )
    assert space.suggest(optuna.trial.FixedTrial({"a": 3})) == {"a": 3, "b": 5, "c": 1}


def test_a_space_that_does_not_hold_the_grid_is_told() -> None:
    def suggest(trial: Suggest) -> dict[str, Any]:
        return {"c": trial.suggest_float("c", 0, 9), "tol": trial.suggest_float("tol", 0, 1)}

    with pytest.raises(
        UserError, match=r"space of head does not hold \{'c': 1\} .*'tol'.*defaults"
    ):
        SettingSpace(name="head", space=SearchSpace(suggest=suggest, defaults={}), grid=({"c": 1},))


def test_a_head_for_wide_embeddings_or_without_parameters() -> None:
    def wide(seed: int, jobs: int, n_components: int = 64) -> Any:
        return make_pipeline(PCA(n_components), LogisticRegression())

    def wider(seed: int, jobs: int, n_components: int = 400) -> Any:
        return make_pipeline(PCA(n_components), LogisticRegression())

    def bare(seed: int, jobs: int) -> Any:
        return SimpleNamespace(fit=lambda x, y: None, predict_proba=lambda x: x)

    for factory in (wide, wider, bare):
        heads.add(HeadSpec(name=factory.__name__, title="Mine", factory=factory))
    try:
        with pytest.raises(UserError, match="does not take n_components=257"):
            target("wide").grid(["n_components=8,257"])
        assert target("wider").grid(["n_components=300"]).points() == [{"n_components": 300}]
        with pytest.raises(UserError, match=r"bare has no get_params.*BaseEstimator"):
            target("bare").grid(["C=1"])
    finally:
        for factory in (wide, wider, bare):
            heads.remove(factory.__name__)


def test_axes() -> None:
    grid = target("random_forest").grid(["n_estimators=50:150:50", "max_depth=4,none"])
    assert dict(grid.axes) == {"n_estimators": (50, 100, 150), "max_depth": (4, None)}
    cells = grid.points()
    assert len(cells) == 6
    assert [cell["n_estimators"] for cell in cells] == [150, 150, 100, 100, 50, 50]
    mixed = target("random_forest").grid(["max_features=sqrt,0.5", "bootstrap=true,false"])
    assert dict(mixed.axes) == {"max_features": ("sqrt", 0.5), "bootstrap": (True, False)}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["max_dept=3"], "did you mean max_depth"),
        (["max_depth"], "write max_depth=VALUE"),
        (["n_estimators=5:1:1"], "FIRST:LAST:STEP"),
        (["n_estimators=a:b"], "FIRST:LAST:STEP"),
        (["n_estimators=none"], "whole numbers"),
        (["max_depth=1", "max_depth=2"], "twice"),
        (["n_jobs=1,2"], "no setting 'n_jobs'"),
        (["n_estimators=1:1000000000:1"], "1,000,000,000 cells"),
        (["n_estimators=1:100000:1", "max_depth=1:10000:1"], "1,000,000,000 cells"),
        (["n_estimators=1:99999999999999999999:1"], "beyond 1,000,000,000,000 are not tried"),
        (["max_depth=inf"], "inf is no number to try"),
        (["max_depth=4,nan"], "nan is no number to try"),
        (["max_depth=4,,5"], "has an empty value"),
        (["max_depth=a"], "extra_trees does not take max_depth=a"),
        (["max_depth=0:4:1"], "does not take max_depth=0"),
        (["max_features=sqrt,nonsense"], "does not take max_features=nonsense"),
    ],
)
def test_wrong_axes(axes: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target("extra_trees").grid(axes)


def test_a_setting_that_the_space_lacks() -> None:
    with pytest.raises(ValueError, match="did you mean max_depth"):
        head_space("extra_trees", "max_deph")


def test_a_glob_of_grid_points_alone_is_no_network() -> None:
    with pytest.raises(UserError, match="no head or network is called '\\*n100\\*'"):
        resolve(["*n100*"])
