"""The library as users meet it in a notebook: a study in a few lines, and what it trained."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, assert_type

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import benchmark as bench
from benchmark.classifier.tracked import TrackedClassifier
from benchmark.cli import main
from benchmark.evaluation.predictions import probability_columns
from benchmark.execution.planning import Study
from benchmark.runs.options import Outcome
from benchmark.study.plan import RunSpec
from benchmark.tracking.reader import search
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from registry import UserError
from tests.conftest import COLOURS
from tests.studies import own_store

NETWORK = "basic_cnn-scratch"
HEAD = "basic_cnn-scratch/extra_trees-n100-d10"
SETTINGS = {"data.image_size": 32, "train.epochs": 3, "train.batch_size": 8}


class Ear(bench.Listener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, spec: RunSpec) -> None:
        self.heard.append(f"{spec.name} begins")

    def epoch(self, spec: RunSpec, result: EpochResult) -> None:
        self.heard.append(f"{spec.name} {result.epoch}")

    def ended(self, outcome: Outcome) -> None:
        self.heard.append(f"{outcome.spec.name} {outcome.status}")


@pytest.fixture(scope="module")
def study(
    image_folder: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Study]:
    """A network and a head that are planned, with a folder and a store of their own."""
    folder = tmp_path_factory.mktemp("notebook")
    with own_store(folder, empty_database):
        systems = [NETWORK, "basic_cnn-scratch/extra_trees"]
        yield bench.plan(image_folder, systems, preset="study", settings=SETTINGS)


@pytest.fixture(scope="module")
def outcomes(study: Study) -> list[Outcome]:
    return bench.run(study, device="cpu", save_weights="all", explain=False)


@pytest.fixture(scope="module", params=[NETWORK, HEAD])
def name(request: pytest.FixtureRequest, outcomes: list[Outcome]) -> str:
    return str(request.param)


def test_import_is_light_and_what_is_called_reads_mlflow_env(tmp_path: Path) -> None:
    (tmp_path / "mlflow.env").write_text("MLFLOW_TRACKING_URI=sqlite:///mine.db\n")
    code = (
        "import sys; import benchmark as bench\n"
        "heavy = {'torch', 'mlflow', 'pandas', 'numpy', 'sklearn', 'rich', 'click', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert bench.Listener and set(bench.__all__) <= set(dir(bench))\n"
        "try: bench.leaderboard()\n"
        "except ValueError as error: print(error)\n"
    )
    environment = {"PATH": "", "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("sqlite:///mine.db has no experiment")


def test_study_is_planned_run_and_told_to_a_listener_and_nobody_else(
    study: Study, outcomes: list[Outcome], capfd: pytest.CaptureFixture[str]
) -> None:
    assert_type(bench.run(study), list[Outcome])
    ear = Ear()
    again = bench.run(study, device="cpu", explain=False, force=True, listener=ear)
    assert {outcome.status for outcome in [*outcomes, *again]} == {"completed"}
    assert ear.heard[:5] == [
        f"{NETWORK} begins",
        *(f"{NETWORK} {epoch}" for epoch in (1, 2, 3)),
        f"{NETWORK} completed",
    ]
    assert ear.heard[5:7] == [f"{HEAD} begins", f"{HEAD} completed"]
    assert len(again) == 4
    assert capfd.readouterr() == ("", "")


def test_outcome_says_in_a_line_how_its_run_ended(study: Study, outcomes: list[Outcome]) -> None:
    network = outcomes[0]
    assert str(network) == f"{NETWORK}: completed, test accuracy {network.test_accuracy:.2%}"
    reused = bench.run(study)[0]
    assert str(reused) == f"{NETWORK}: completed before"
    assert reused.run_id
    assert str(Outcome(spec=network.spec, status="failed", reason="no")) == f"{NETWORK}: failed: no"


def test_mlflow_sorts_runs_by_their_places(outcomes: list[Outcome]) -> None:
    ids = set(bench.leaderboard("all")["run_id"])
    ranked = [run for run in search(Store(), "tags.rank LIKE '00%'") if run.info.run_id in ids]
    assert {run.data.tags["rank"] for run in ranked} == {"001", "002"}


def test_leaderboard_is_what_the_command_line_prints(outcomes: list[Outcome]) -> None:
    views: tuple[Literal["summary", "all"], ...] = ("summary", "all")
    for view in views:
        table = bench.leaderboard(view)
        command = ["leaderboard", "--view", view, "--format", "csv"]
        printed = CliRunner().invoke(main, command).stdout
        assert table.to_csv(index=False) == printed
    assert set(bench.leaderboard()["experiment"]) == {"from scratch"}
    with pytest.raises(UserError, match="0 sets of runs begin with 'nothing'"):
        bench.leaderboard(context="nothing")


def test_predictions_are_a_row_an_image_and_a_column_a_class(
    name: str, outcomes: list[Outcome]
) -> None:
    table = bench.predictions(name)
    assert list(table) == ["image", "true", "predicted", *COLOURS]
    assert len(table) == 6
    assert (table["image"].str.split("/").str[0] == table["true"]).all()
    assert (table[list(COLOURS)].idxmax(axis=1) == table["predicted"]).all()
    np.testing.assert_allclose(table[list(COLOURS)].sum(axis=1), 1, rtol=1e-5)
    (first,) = [outcome for outcome in outcomes if outcome.spec.name == name]
    by_id = bench.predictions(first.run_id)
    assert first.test_accuracy == pytest.approx((by_id["true"] == by_id["predicted"]).mean())


def test_loaded_classifier_predicts_what_its_run_predicted(
    name: str, outcomes: list[Outcome], image_folder: Path
) -> None:
    (run_id,) = [outcome.run_id for outcome in outcomes if outcome.spec.name == name]
    stored = bench.predictions(run_id)
    classifier = bench.load(run_id)
    assert_type(classifier, TrackedClassifier)
    predicted = classifier.predict([image_folder / image for image in stored["image"]])
    assert list(predicted) == ["image", "predicted", *COLOURS]
    assert predicted["image"].tolist() == [str(image_folder / one) for one in stored["image"]]
    pd.testing.assert_frame_equal(
        predicted[list(COLOURS)], stored[list(COLOURS)], check_dtype=False, atol=1e-6
    )
    assert (predicted["predicted"] == stored["predicted"]).all()


def test_loaded_classifier_is_explained_for_the_class_that_is_asked_for(
    name: str, image_folder: Path
) -> None:
    classifier, picture = bench.load(name), image_folder / "blue" / "03.png"
    looks = [classifier.look_at(picture, asked) for asked in (None, *COLOURS)]
    assert [look.shown for look in looks] == [looks[0].ranking[0][0], *COLOURS]
    default, *heats = (look.heat for look in looks)
    assert default is not None
    assert not all(heat is not None and np.array_equal(heat, default) for heat in heats)


def test_many_pictures_are_taken_at_once(outcomes: list[Outcome]) -> None:
    arrays = np.random.default_rng(0).integers(0, 255, (70, 8, 8, 3), dtype=np.uint8)
    classifier = bench.load(NETWORK)
    table = classifier.predict(arrays)
    assert table["image"].tolist() == [str(i) for i in range(70)]
    alone = classifier.predict(arrays[69])
    np.testing.assert_allclose(
        table.iloc[69, 2:].astype(float), alone.iloc[0, 2:].astype(float), atol=1e-5
    )
    assert classifier.predict([]).empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs=0 is neither a number from 1 nor 'auto'"),
        ({"jobs": "2"}, "jobs='2' is neither"),
        ({"save_weights": "last"}, "save_weights='last' is none of all, best, needed, none"),
        ({"executor": "slurm"}, "executor='slurm' is none of local, ray"),
        ({"timeout": float("nan")}, "timeout=nan is no number of seconds"),
        ({"timeout": -1}, "timeout=-1 is no number of seconds"),
        ({"checkpoint": float("inf")}, "checkpoint=inf is no number of seconds"),
        ({"gpu_share": 0}, "gpu_share=0 is no share above 0"),
        ({"gpu_share": 0.5}, "gpu_share=0.5 goes with executor='ray'"),
        ({"address": "head:6379"}, "address='head:6379' goes with executor='ray'"),
        ({"executor": "ray", "device": "cuda:1"}, "leave device='cuda:1' out"),
    ],
)
@pytest.mark.usefixtures("workplace")
def test_options_that_no_command_line_has_checked_are_refused_at_once(
    options: Any, message: str, image_folder: Path
) -> None:
    study = bench.plan(image_folder, [NETWORK])
    with pytest.raises(UserError, match=re.escape(message)):
        bench.run(study, **options)


def test_a_process_runs_one_study_at_a_time(study: Study, outcomes: list[Outcome]) -> None:
    class Impatient(bench.Listener):
        def ended(self, outcome: Outcome) -> None:
            with ThreadPoolExecutor() as pool:
                told.append(str(pool.submit(bench.run, study).exception()))

    told: list[str] = []
    for _ in range(2):
        assert {one.status for one in bench.run(study, listener=Impatient())} == {"completed"}
    assert set(told) == {"this process runs a study already; wait for it, or start another process"}


def test_mistakes_are_told_with_what_would_be_right(
    outcomes: list[Outcome], image_folder: Path
) -> None:
    with pytest.raises(UserError, match=r"no setting is called 'train.epoch'; did you mean"):
        bench.plan(image_folder, [NETWORK], settings={"train.epoch": 3})
    with pytest.raises(UserError, match=r"no system is called 'resnet19'; did you mean resnet18"):
        bench.plan(systems="resnet19")
    with pytest.raises(UserError, match="systems names none; name one at least"):
        bench.plan(systems=[])
    with pytest.raises(UserError, match=r"no system is called 'resnet19'; did you mean resnet18"):
        bench.plan(image_folder, ["resnet19"])
    with pytest.raises(UserError, match=r"no completed run is called 'basic_cnn'; did you mean"):
        bench.load("basic_cnn")
    with pytest.raises(UserError, match=rf"no completed run has the id {'0' * 32}"):
        bench.predictions("0" * 32)
    with pytest.raises(UserError, match="0 sets of runs begin with 'else'; there are: "):
        bench.predictions(NETWORK, context="else")


def test_class_may_be_called_as_a_column_is() -> None:
    table = probability_columns(np.eye(3), ["image", "predicted", "pear"])
    assert list(table) == ["class image", "class predicted", "pear"]
