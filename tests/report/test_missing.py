"""A report of a store that lacks something, or holds more than one study."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.data.prepared import PreparedData
from benchmark.ranking.runs import fetch
from benchmark.report.collect import not_completed
from benchmark.report.facts import parts
from benchmark.study.suite import BEYOND, SIGN
from benchmark.terminal.numbers import percent
from benchmark.tracking.items import Param
from benchmark.tracking.store import Store
from tests.report.study import Study, make_store
from tests.report.test_report import written


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def test_without_artifacts_and_heads_words_take_their_place(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    with study.start("convmixer-scratch", "ConvMixer Model", "from scratch") as run:
        pass
    study.tracker.client.log_metric(run.id, "test_accuracy", 0.5)
    material, page = written(empty, tmp_path)
    assert len(material.systems) == 1
    assert page.table("Accuracy on")[0][2].startswith("50.00%")
    for words in (
        "No tree head of the study's experiments 1 and 2 is completed",
        "No run logged explanations",
        "No run kept its predictions",
        "The store holds no exploration of this data",
        "environment.json",
    ):
        assert words in page.text
    assert "Accuracy against cost" not in page.text  # no run says what it cost


def of_one_system(seed: str, status: str, seconds: int = 0, **metrics: float) -> Any:
    tags = {"group": "from scratch", "head": "", "completed": "true" * (status == "FINISHED")}
    info = SimpleNamespace(run_name="net", status=status, start_time=0, end_time=1000 * seconds)
    return SimpleNamespace(
        info=info, data=SimpleNamespace(tags=tags, params={"seed": seed}, metrics=metrics)
    )


def test_a_seed_that_failed_is_told_though_another_did_not() -> None:
    failed, done = of_one_system("1", "FAILED"), of_one_system("0", "FINISHED")
    assert not_completed([failed, done]) == [failed]
    assert not_completed([of_one_system("0", "FAILED"), done]) == []


def test_time_taken_over_from_another_run_is_counted_there() -> None:
    runs = [
        of_one_system("0", "FINISHED", 70, fit_seconds=65.0),
        of_one_system("0", "FINISHED", 10, fit_seconds=65.0),  # 60 of them were the first's
    ]
    assert sum(part.seconds for part in parts(runs)) == 80


def test_a_picture_that_is_gone_leaves_a_word(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    study.network("convmixer-scratch", "ConvMixer", "from scratch", tmp_path / "a", skill=0.5)
    (gone,) = (tmp_path / "artifacts").rglob("overlays/0.webp")
    gone.unlink()
    (damaged,) = (tmp_path / "artifacts").rglob("overlays/1.webp")
    damaged.write_bytes(b"no picture")
    _, page = written(empty, tmp_path)
    cells = [row[1] for row in page.table("Predicted class and its probability")]
    assert ["no picture" in cell for cell in cells] == [True, True, False]
    assert all("%" in cell for cell in cells)


@pytest.mark.parametrize("content", [b"no such thing", b"[1]", b'{"kind": 1}', b"", b"\xff\0"])
def test_artifacts_of_something_else_are_left_out_with_a_line(
    empty: Store,
    monsters: PreparedData,
    tmp_path: Path,
    content: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = Study(empty, monsters)
    study.network("convmixer-scratch", "ConvMixer", "from scratch", tmp_path / "a", skill=0.5)
    for file in (tmp_path / "artifacts").rglob("*"):
        if file.is_file():
            file.write_bytes(content)
    material, page = written(empty, tmp_path)
    assert len(material.systems) == 1
    assert page.table("Accuracy on")
    assert "predictions/test.csv of convmixer-scratch is left out" in caplog.text


def test_sets_of_runs_are_never_mixed(empty: Store, monsters: PreparedData, tmp_path: Path) -> None:
    for context, skill in (("aaaa1111", 0.2), ("bbbb2222", 0.8)):
        Study(empty, monsters, context).network(
            "convmixer-scratch", "ConvMixer Model", "from scratch", tmp_path / context, skill=skill
        )
    runs = fetch(empty).set_index("context")["test_accuracy"]
    newest, page = written(empty, tmp_path)
    assert newest.context.id == "bbbb2222"
    assert [row[2].split("%")[0] for row in page.table("Accuracy on")] == [
        f"{100 * runs['bbbb2222']:.2f}"
    ]
    assert "bench report --context aaaa1111" in page.text
    older, page = written(empty, tmp_path, "aaaa")
    assert older.context.id == "aaaa1111"
    assert page.table("Accuracy on")[0][2].startswith(percent(runs["aaaa1111"]))


def test_what_is_beyond_the_study_is_signed_wherever_it_is_named(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    study.network("convmixer-scratch", "ConvMixer Model", "from scratch", tmp_path, skill=0.9)
    _, page = written(empty, tmp_path)
    assert SIGN not in page.text
    study.network("mine-frozen", "Mine, frozen", BEYOND, tmp_path, skill=0.5)
    material, page = written(empty, tmp_path)
    assert [one.name for one in material.systems] == ["convmixer-scratch", f"mine-frozen {SIGN}"]
    assert f"{SIGN} in charts and tables: {BEYOND}" in page.text
    assert page.text.count(f"mine-frozen {SIGN}") >= 4  # gallery, classes, calibration, training


def test_the_sizes_that_networks_saw_are_told(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    for name, own in (("convmixer-scratch", "None"), ("mine-frozen", "224")):
        with study.start(name, name.title(), "from scratch") as run:
            run.log(Param("input.size", own))
        study.tracker.client.log_metric(run.id, "test_accuracy", 0.5)
    _, page = written(empty, tmp_path)
    assert f"shown with sides of {monsters.spec.image_size} or 224 pixels" in page.text


def test_settings_that_differ_by_system_are_told_with_all_their_values(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    for name, norm, tuned in (("a-frozen", 1.0, ""), ("b-frozen", None, ""), ("c-frozen", 2, "x")):
        with study.start(name, name, "from scratch", tuned=tuned) as run:
            run.log(Param("train.clip_norm", norm), Param("train.flip", bool(tuned)))
        study.tracker.client.log_metric(run.id, "test_accuracy", 0.5)
    material, page = written(empty, tmp_path)
    assert material.settings["train.clip_norm"] == "by system: 1.0, None"
    assert material.settings["train.flip"] == "False"
    assert "by system: 1.0, None" in page.text


def test_a_run_that_was_repeated_with_success_is_not_missing(
    empty: Store, monsters: PreparedData, tmp_path: Path
) -> None:
    study = Study(empty, monsters)
    study.fail("convmixer-scratch", "ConvMixer Model", "from scratch")
    study.network("convmixer-scratch", "ConvMixer Model", "from scratch", tmp_path / "a", skill=0.5)
    material, page = written(empty, tmp_path)
    assert material.not_completed == []
    assert "no result" not in page.text
