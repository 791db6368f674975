"""What tells two systems apart, in numbers and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from benchmark.cli import main
from benchmark.ranking.runs import fetch
from benchmark.study.suite import BEYOND, SIGN
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.ranking.test_systems import COPIES, IMAGES, log
from tests.test_cli import assert_one_line_error


@pytest.fixture
def ids(store: Store, tmp_path: Path) -> dict[str, str]:
    """Of runs: two seeds of a good system, a poor one, and one of another context."""
    tracker = Tracker(store)
    made: dict[str, str] = {}
    for name, skill, seed, context in (
        ("other-scratch", 0.9, 0, "b2"),
        ("good-scratch", 0.8, 0, "a1"),
        ("good-scratch", 0.8, 1, "a1"),
        ("poor-scratch", 0.3, 0, "a1"),
        ("good-scratch/trees-n1", 0.7, 0, "a1"),
    ):
        head = "trees" if "/" in name else ""
        tags = {"context": context, "head": head, "system": f"{name.title()} Net"}
        if head:
            tags["group"] = BEYOND
        folder = tmp_path / f"{len(made)}"
        made[f"{name} {seed}"] = log(tracker, name, skill, skill, folder, seed=seed, **tags)
    return made


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments])


def table(*arguments: str) -> pd.DataFrame:
    result = bench(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return pd.DataFrame(json.loads(result.stdout))


def test_of_several_weights_the_best_on_validation_is_compared(
    ids: dict[str, str], store: Store, tmp_path: Path
) -> None:
    for weights, skill in (("demo", 0.2), ("imagenet", 0.9), ("mine", 0.5)):
        log(
            Tracker(store),
            "net-frozen/trees-n1",
            skill,
            skill,
            tmp_path / weights,
            context="a1",
            weights=weights,
            head="trees",
            system="Trees on Net",
        )
    for name in ("trees on net", "net-frozen/trees", "net-frozen/trees-n1"):
        found = table("poor-scratch", name)["system"][1]
        assert found == f"{name} (weights imagenet)"
        other = f"{name} (weights mine)"
        both = table(found, other)
        assert both["system"].tolist() == [found, other]
        assert both["verdict"].tolist() == ["", "worse"]


def test_what_is_beyond_the_study_says_so(ids: dict[str, str]) -> None:
    names = ("good-scratch", "good-scratch/trees-n1")
    assert table(*names)["experiment"].tolist() == ["from scratch", BEYOND]
    result = bench(*names)
    assert f"{names[1]} {SIGN}" in result.stdout
    assert f"{SIGN} {BEYOND}" in result.stdout
    assert BEYOND not in bench("good-scratch", "poor-scratch").stdout


def test_systems_are_compared_with_the_first_in_pairs(ids: dict[str, str], store: Store) -> None:
    both = table("poor-scratch", "good-scratch")
    runs = fetch(store)
    good = runs[runs["run"] == "good-scratch"]["test_accuracy"]
    assert both["seeds"].tolist() == [1, 2]
    assert both["test_accuracy"][1] == pytest.approx(good.mean())
    assert both["verdict"].tolist() == ["", "better"]
    assert both["difference"][1] == pytest.approx(
        both["test_accuracy"][1] - both["test_accuracy"][0]
    )
    assert both["difference_low"][1] > 0
    assert both["p"][1] < 0.01


def log_contrary(store: Store, folder: Path) -> None:
    """Log two systems, each of which has one image of each of the first pairs right."""
    odd = np.arange(IMAGES) % 2
    for place, (name, skill) in enumerate((("one", 0.8), ("two", 0.7))):
        skills = np.where(odd == place, 2.0, -2.0)
        skills[COPIES:] = skill
        log(Tracker(store), name, skills, 0.5, folder / name)


def won_and_lost() -> pd.Series[float]:
    """By the place of an image that one of the contrary systems has right: 1 if the first does."""
    images = table("one", "two", "--table", "images")
    signs = np.where(images["true"] == images["one"], 1, -1)
    return pd.Series(signs, images["image"].str[:3].astype(int))


def test_one_seed_each_without_copies_has_the_exact_p_of_mcnemar(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.ranking.test_systems.COPIES", 0)
    log_contrary(store, tmp_path)
    signs = won_and_lost()
    assert {*signs} == {1, -1}
    exact = stats.binomtest(int((signs > 0).sum()), len(signs)).pvalue
    assert table("one", "two")["p"][1] == pytest.approx(exact, abs=1e-9)


def test_one_seed_each_with_copies_has_the_p_of_the_groups_permuted_signs(
    store: Store, tmp_path: Path
) -> None:
    log_contrary(store, tmp_path)
    signs = won_and_lost()
    sums = signs.groupby(lambda place: place // 2 if place < COPIES else place).sum()
    p = table("one", "two")["p"][1]
    permuted = stats.permutation_test((sums,), np.sum, permutation_type="samples")
    assert p == pytest.approx(permuted.pvalue, abs=0.01)
    of_images = stats.binomtest(int((signs > 0).sum()), len(signs)).pvalue
    assert p != pytest.approx(of_images, abs=0.02)


def test_classes_that_differ_most_come_first_and_add_up_to_the_images(
    ids: dict[str, str],
) -> None:
    names = [ids["good-scratch 0"], ids["good-scratch/trees-n1 0"]]
    images = table(*names, "--table", "images")
    won = (images["true"] == images[names[0]]).sum()
    assert 0 < len(images) < IMAGES
    classes = table(*names, "--table", "classes")
    assert classes["images"].sum() == IMAGES
    apart = (classes[names[0]] - classes[names[1]]).abs()
    assert apart.is_monotonic_decreasing
    lost = ((classes[names[0]] - classes[names[1]]) * classes["images"]).sum()
    assert lost == pytest.approx(won - (len(images) - won))


def test_names_stand_for_rows_of_the_leaderboard(ids: dict[str, str]) -> None:
    for name in ("best", "Good-Scratch Net", "good-scratch"):
        assert table("poor-scratch", name)["seeds"].tolist() == [1, 2]
    assert table("poor-scratch", "good-scratch/trees")["seeds"].tolist() == [1, 1]


def test_what_best_stands_for_is_told(ids: dict[str, str], store: Store, tmp_path: Path) -> None:
    assert table("poor-scratch", "best")["system"].tolist() == [
        "poor-scratch",
        "good-scratch (best)",
    ]
    log(Tracker(store), "x/trees-n2", 0.5, 0.5, tmp_path, system="Trees of X", tuned="n=2")
    assert_one_line_error(bench("best", "Trees of X"), "did you mean Trees of X (tuned)")
    assert table("best", "Trees of X (tuned)")["seeds"].tolist() == [2, 1]


def test_of_several_weights_the_best_on_validation_are_compared_and_named(
    ids: dict[str, str], store: Store, tmp_path: Path
) -> None:
    log(Tracker(store), "poor-scratch", 0.6, 0.6, tmp_path, weights="demo", system="Poor Net")
    for name in ("poor-scratch", "Poor Net"):
        both = table("good-scratch", name)
        assert both["seeds"].tolist() == [2, 1]
        assert both["test_accuracy"][1] > 0.5
    assert table("good-scratch", "poor-scratch")["system"][1] == "poor-scratch (weights demo)"


def test_seeds_that_disagree_on_an_image_are_counted(ids: dict[str, str]) -> None:
    images = table("good-scratch", "poor-scratch", "--table", "images").set_index("image")
    both = (
        table(ids[f"good-scratch {seed}"], "poor-scratch", "--table", "images") for seed in "01"
    )
    apart = set.symmetric_difference(*({*one["image"]} for one in both))
    counted = images["good-scratch"].str.endswith(" (1 of 2 right)")
    assert 0 < counted.sum() < len(images)
    assert {*images.index[counted]} >= apart & {*images.index}
    alike = images[~counted]
    assert alike["good-scratch"].isin(["a", "b", "c"]).all()


def test_only_where_seeds_may_disagree_is_it_found_what_most_of_them_say(
    ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    mode = pd.DataFrame.mode

    def counted(frame: pd.DataFrame, *args: object, **named: object) -> pd.DataFrame:
        asked.append(len(frame))
        return mode(frame, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(pd.DataFrame, "mode", counted)
    one = table(ids["good-scratch 0"], "poor-scratch", "--table", "images")
    assert len(one) > 0
    assert asked == []
    said = one[ids["good-scratch 0"]]
    assert said.isin(["a", "b", "c"]).all()
    assert ((said == one["true"]) != (one["poor-scratch"] == one["true"])).all()
    both = table("good-scratch", "poor-scratch", "--table", "images")
    assert asked == [len(both)]
    assert len(both) < IMAGES


def test_repeats_that_have_all_images_right_differ_in_none(store: Store, tmp_path: Path) -> None:
    for place, (name, seed) in enumerate([("one", 0), ("one", 1), ("two", 0), ("two", 1)]):
        log(Tracker(store), name, 2.0, 0.9, tmp_path / f"{place}", seed=seed)
    assert table("one", "two", "--table", "images").empty


def test_people_read_shares_of_classes_in_percent_and_programs_as_numbers(
    ids: dict[str, str],
) -> None:
    arguments = ("good-scratch", "poor-scratch", "--table", "classes")
    classes = table(*arguments)
    shares = [f"{share:.2%}" for share in classes["poor-scratch"]]
    for format_ in ("table", "markdown"):
        lines = bench(*arguments, "--format", format_).stdout.splitlines()
        assert all(any(share in line for line in lines) for share in shares)
    assert bench(*arguments, "--format", "csv").stdout.count("%") == 0


@pytest.mark.parametrize("content", ["", "something else"])
def test_answers_whose_kept_file_is_damaged_are_read_anew(
    content: str, ids: dict[str, str], workplace: Path
) -> None:
    before = table("good-scratch", "poor-scratch")
    kept = [*(workplace / "home/answers").glob("*.json")]
    assert len(kept) >= 3
    for file in kept:
        file.write_text(content)
    pd.testing.assert_frame_equal(table("good-scratch", "poor-scratch"), before)


def test_what_cannot_be_compared_is_told_in_one_line(ids: dict[str, str], store: Store) -> None:
    assert_one_line_error(bench("good-scratch"), "name two at least")
    assert_one_line_error(bench("good-scratch", "best"), "are the same; bench leaderboard lists")
    assert_one_line_error(bench("good-scratch", "god-scratch"), "did you mean good-scratch")
    assert_one_line_error(bench("good-scratch", "zzz"), "are Good-Scratch Net, Good-Scratch")
    assert_one_line_error(bench("good-scratch", "other-scratch"), "no run of this set is called")
    assert_one_line_error(bench("good-scratch", "good-scratch/"), "no run of this set is called")
    for file in store_files(store):
        file.write_text("something else")
    assert_one_line_error(bench("good-scratch", "poor-scratch"), "kept no predictions")


def store_files(store: Store) -> list[Path]:
    return [*Path("artifacts").rglob("test.csv")]


def test_the_same_answers_differ_in_nothing(ids: dict[str, str]) -> None:
    same = table(ids["good-scratch 0"], "good-scratch", "--table", "images")
    assert len(same) < 10  # the seed beside it tells a few others right
    systems = table(ids["good-scratch 0"], "good-scratch")
    assert systems["verdict"][1] == "tied"
    assert np.isfinite(systems["p"][1])
