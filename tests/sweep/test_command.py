"""``bench sweep`` as it is typed: what it makes first, and what it says of mistakes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from benchmark.commands.sweep import _run_missing
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.plan import Plan
from benchmark.sweep.growth import SharedGrowth
from benchmark.terminal.console import make_console
from benchmark.tracking.store import Store
from tests.studies import tracked
from tests.sweep.synthetic import base
from tests.test_cli import assert_one_line_error


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_missing_embeddings_are_made_first(store: Store, image_folder: Path) -> None:
    settings = ["--data", str(image_folder), "--preset", "quick", "--weights", "demo"]
    for setting in (
        "data.image_size=32",
        "train.epochs=2",
        "train.freeze_epochs=1",
        "pretrain.species=2",
        "pretrain.images_per_species=6",
        "pretrain.epochs=1",
    ):
        settings += ["--set", setting]
    command = ["sweep", "resnet18-frozen/extra_trees", *settings]
    result = bench(*command, "--grid", "n_estimators=5,10", "--grid", "max_depth=3,none")
    assert result.exit_code == 0, result.output
    assert "Needed first: resnet18-pretrained, resnet18-frozen" in result.output
    assert "its test accuracy" in result.output
    again = bench(*command, "--grid", "n_estimators=5,10", "--grid", "max_depth=3,none")
    assert again.exit_code == 0, again.output
    assert "Needed first" not in again.output
    assert "trial 0" not in again.output
    board = bench("leaderboard")
    assert "(tuned)" in board.output
    status = bench("sweep", "--status")
    assert "4 of 4" in status.output


def test_what_is_made_first_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def run_missing(missing: Any, options: RunOptions, *others: Any) -> list[Any]:
        given.append(options.threads)
        return []

    monkeypatch.setattr("benchmark.sweep.targets.missing_runs", lambda plan, options: plan)
    monkeypatch.setattr("benchmark.sweep.targets.run_missing", run_missing)
    launch: Any = SimpleNamespace(
        study=SimpleNamespace(plan=Plan([base()])), at_once=2, make_executor=lambda: None
    )
    store = Store(uri="sqlite:///none.db", experiment="none")
    _run_missing(make_console(), launch, RunOptions(store=store, home=Path(), threads=4))
    assert given == [2]


def test_what_a_sweep_found_can_be_used_and_one_that_fails_says_so(
    store: Store, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["--data", str(image_folder), "--set", "data.image_size=32"]
    grid = ["--grid", "n_estimators=5", "--grid", "max_depth=3", "--set", "train.epochs=1"]
    stopping = ["--pruner", "hyperband"]
    result = bench("sweep", "basic_cnn-scratch/extra_trees", *settings, *grid, *stopping)
    assert result.exit_code == 0, result.output
    (study,) = open_tracker(store).search("tags.group = 'sweep'")
    assert "sampler grid, pruner hyperband." in study.data.tags["mlflow.note.content"]
    rows = open_tracker(store).search("tags.completed = 'true'")
    (head,) = [run for run in rows if run.data.tags["kind"] == "head"]
    (backbone,) = tracked(store, "basic_cnn-scratch")
    assert backbone.data.tags["weights_file"] == "kept"
    picture = str(image_folder / "red" / "00.png")
    told = bench("predict", picture, "--model", head.info.run_id)
    assert told.exit_code == 0, told.output

    def fail(*arguments: Any) -> None:
        raise RuntimeError("out of paper")

    monkeypatch.setattr(SharedGrowth, "grow", fail)
    others = ["--grid", "n_estimators=7,9", "--grid", "max_depth=3", "--set", "train.epochs=1"]
    failed = bench("sweep", "basic_cnn-scratch/extra_trees", *settings, *others)
    assert failed.exit_code == 1
    assert "out of paper" in failed.output
    assert "no trial is complete; bench sweep --status tells more" in failed.output
    last = bench("sweep", "--status").output.splitlines()[-1]
    assert last.startswith("the last that failed of basic_cnn-scratch/extra_trees-grid-")
    assert last.endswith(": RuntimeError: out of paper")
    ended = open_tracker(store).search("attributes.status = 'FAILED'")
    why = "RuntimeError: out of paper"
    reasons = [one.data.tags["error"] for one in ended]
    assert reasons == [f"no trial is complete; the last: {why}", why, why]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["extra_tres"], "did you mean extra_trees?"),
        (["tree"], "did you mean trees"),
        (["trees", "--grid", "n_estimators=5,10", "--sampler", "tpe"], "leave --sampler tpe out"),
        (["resnet18-frozn"], "did you mean resnet18-frozen"),
        (["resnet18-frozen", "--space", "lr,weigth_decay"], "did you mean weight_decay?"),
        (["resnet18-frozen", "--grid", "lr=-1"], "lr=-1: input should be greater than 0"),
        ([], "bench sweep trees"),
        (["extra_trees", "--sampler", "grid"], "--grid n_estimators="),
        (["extra_trees", "--grid", "max_dep=3"], "did you mean max_depth?"),
        (["extra_trees", "--space", "lr"], "no setting 'lr'"),
        (["extra_trees", "--storage", "sqlite:////nowhere/x.db"], "--storage sqlite:///FILE"),
    ],
)
def test_errors_say_what_to_type(
    arguments: list[str], told: str, workplace: Path, image_folder: Path
) -> None:
    data = ["--data", str(image_folder), "--set", "data.image_size=32", "--weights", "demo"]
    small = ["--set", "pretrain.species=2", "--set", "pretrain.images_per_species=6"]
    result = bench("sweep", *arguments, *data, *small)
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.splitlines()) == 1


def test_the_status_of_no_sweep_says_what_to_type(workplace: Path) -> None:
    assert_one_line_error(bench("sweep", "--status"), "bench sweep trees")
