"""The command line as users meet it."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from rich.file_proxy import FileProxy

from benchmark.cli import _Lines, main
from benchmark.study.suite import systems
from benchmark.tracking.store import Store
from registry import models
from registry.specs import ModelSpec
from tests.studies import own_store

TINY = [
    *("--weights", "demo", "--device", "cpu"),
    *("--set", "train.epochs=2", "--set", "train.freeze_epochs=1"),
    *("--set", "train.precision=float32", "--set", "data.image_size=32"),
    *("--set", "pretrain.species=2", "--set", "pretrain.images_per_species=6"),
    *("--set", "pretrain.epochs=1"),
]


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def assert_one_line_error(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    for part in parts:
        assert part in result.stderr


def assert_usual_permissions(folder: Path) -> None:
    """Who may read other files of this user may read those that are kept."""
    (folder / "new").touch()
    kept = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.name for file in kept} > {"test.safetensors", "weights.safetensors"}
    usual = (folder / "new").stat().st_mode
    assert {file.name for file in kept if file.stat().st_mode != usual} == set()


@pytest.fixture(scope="module")
def run_once(
    image_folder: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Result]:
    """`bench run` of a network and a head on the coloured images, in a folder for all tests."""
    data = ["--data", str(image_folder)]
    with own_store(tmp_path_factory.mktemp("studied"), empty_database):
        yield bench("run", "convmixer", "resnet18-frozen/extra_trees-n100-d10", *data, *TINY)


def test_a_run_tells_what_it_does_and_shows_the_leaderboard(run_once: Result) -> None:
    assert run_once.exit_code == 0, run_once.output
    output = run_once.output
    assert "42 images of 3 classes at 32 x 32 pixels (30 train, 6 val, 6 test)" in output
    assert "run 1 of 4: convmixer-scratch" in output
    assert "epoch 2/2" in output
    assert "Extra Trees on Fine-Tuned ResNet Head Features" in output
    assert "resnet18-frozen/extra_trees-n100-d10   " in output  # its run, in the table
    assert "71.09%" not in output  # the study's ConvMixer told other things apart
    assert "not the study as published" not in output
    assert "4 completed" in output
    assert_usual_permissions(Path.cwd())


def test_the_study_stands_beside_data_of_its_kind(store: Store, image_folder: Path) -> None:
    shutil.copytree(image_folder, "species")
    for colour, species in (("blue", "Squirtle"), ("green", "Bulbasaur"), ("red", "Mr. Mime")):
        Path("species", colour).rename(Path("species", species))
    output = bench("run", "basic_cnn", "--data", "species", *TINY).output
    assert "not the study as published: data.image_size=32 (study: 240), train.epochs=2" in output
    assert "study accuracy" in output
    assert "0.66%" in output  # the study's basic CNN


def test_the_leaderboard_has_every_format(run_once: Result) -> None:
    table = bench("leaderboard")
    assert "ConvMixer Model" in table.output
    assert "images of 3 classes, 32 px" in table.output
    assert "\\u2013" in CliRunner(charset="latin-1").invoke(main, ["leaderboard"]).stdout
    as_json = json.loads(bench("leaderboard", "--format", "json").output)
    assert {row["system"] for row in as_json} == {
        "ConvMixer Model",
        "ResNet18 Fine-Tuned with Frozen Deep Head",
        "Extra Trees on Fine-Tuned ResNet Head Features",
    }
    assert all(0 <= row["test_accuracy"] <= 1 for row in as_json)
    markdown = bench("leaderboard", "--format", "markdown").output
    assert "| system" in markdown
    result = bench("leaderboard", "--view", "all", "--csv", "board.csv")
    assert result.exit_code == 0
    written = pd.read_csv("board.csv")
    assert set(written["run"]) == {
        "convmixer-scratch",
        "resnet18-frozen",
        "resnet18-frozen/extra_trees-n100-d10",
    }
    assert written["test_log_loss"].notna().all()
    assert set(written["data.train_images"]) == {30}
    assert set(written["test_images"]) == {6}
    assert set(written["train.epochs" if "train.epochs" in written else "epochs"]) == {2}
    assert written["data.fingerprint"].str.len().eq(16).all()
    assert written["versions"].str.contains("torch 2").all()
    assert set(written["device"]) == {"cpu"}
    counts = ["trees", "nodes", "best_epoch", "params_total", "head.n_estimators"]
    cells = pd.read_csv("board.csv", dtype=str)[counts].stack().dropna()
    assert cells.str.fullmatch(r"\d+").all()
    trees = bench("leaderboard", "--view", "trees", "--format", "csv").output
    assert "accuracy_exp2" in trees.splitlines()[0]
    assert trees.splitlines()[1].startswith("Extra Trees")


def test_the_same_command_runs_nothing_again(run_once: Result, image_folder: Path) -> None:
    again = bench("run", "convmixer", "--data", str(image_folder), *TINY)
    assert "complete from before" in again.output
    assert "epoch 1/2" in run_once.output
    assert "epoch 1/2" not in again.output


def test_a_dry_run_tells_the_time_from_what_was_measured(
    run_once: Result, image_folder: Path
) -> None:
    names = ["resnet18-frozen/extra_trees", "convmixer", "--data", str(image_folder)]
    output = bench("run", *names, *TINY, "--dry-run").output
    assert "convmixer-scratch  666K parameters, complete" in output
    assert "extra_trees-n300-d24  about" in output
    assert "without" not in output  # explanations, or weights that were asked for
    assert re.search(r"time: about .* on cpu, from runs measured before$", output, re.MULTILINE)
    forced = bench("run", *names, *TINY, "--dry-run", "--force").output
    assert "complete" not in forced
    assert "convmixer-scratch  666K parameters, about" in forced


def test_what_only_reads_does_so_where_nothing_can_be_kept(
    run_once: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_HOME", "mlflow.db")  # a file
    for command in ("run --help", "leaderboard", "ls runs"):
        result = bench(*command.split())
        assert result.exit_code == 0, result.output


def test_runs_are_listed(run_once: Result) -> None:
    rows = json.loads(bench("ls", "runs", "--format", "json").output)
    assert len(rows) == 5  # with the pretraining and the data's exploration
    assert {row["status"] for row in rows} == {"completed"}


def test_a_dry_run_shows_the_plan_and_runs_nothing(workplace: Path, image_folder: Path) -> None:
    result = bench("run", "--all", "--data", str(image_folder), *TINY, "--dry-run")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    (backbone,) = [line for line in lines if "resnet18-frozen " in line]
    (head,) = [line for line in lines if "resnet18-frozen/xgboost-n100-d10" in line]
    assert head.index("resnet18") > backbone.index("resnet18")  # deeper in the tree
    assert f"{len(systems()) + 2} runs, tracked in" in result.output  # with two pretrainings
    assert "resnet18-frozen/xgboost-n100-d10  about" in result.output
    assert re.search(r"time: about .* on cpu, from a few steps of \d+ networks", result.output)
    assert "weights that will be kept:" in result.output
    assert list(workplace.iterdir()) == []


@pytest.mark.usefixtures("workplace")
def test_the_command_for_the_real_thing_names_the_data(image_folder: Path) -> None:
    quick = ("--preset", "quick", "--set", "train.epochs=1", "--dry-run")
    output = bench("run", "basic_cnn", "--data", str(image_folder), *TINY, *quick).output
    assert f"The real thing: bench run --all --data {image_folder}" in output


@pytest.mark.usefixtures("workplace")
def test_one_epoch_is_not_called_epochs(image_folder: Path) -> None:
    options = ("--data", str(image_folder), *TINY, "--set", "train.epochs=1", "--dry-run")
    output = bench("run", "basic_cnn", *options).output
    assert re.search(r"at most 1 epoch\b", output)


@pytest.fixture
def failing() -> Iterator[None]:
    """A model that trains to NaN."""

    def factory(image_size: int) -> object:
        import torch

        network = models["basic_cnn"].factory(image_size)
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        return network

    models.add(ModelSpec(name="failing", title="Failing", factory=factory))  # type: ignore[arg-type]
    yield
    models.remove("failing")


def test_a_failure_gives_exit_code_1_and_the_rest_goes_on(
    store: Store, image_folder: Path, failing: None
) -> None:
    result = bench("run", "failing", "basic_cnn", "--data", str(image_folder), *TINY)
    assert result.exit_code == 1
    assert "failing-scratch: failed: Diverged" in result.output
    assert "basic_cnn-scratch: test accuracy" in result.output
    assert "1 completed" in result.output


def test_a_run_in_which_everything_was_skipped_is_no_success(
    store: Store, workplace: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(workplace))  # an empty cache, and no network
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    data = ["--data", str(image_folder), *TINY, "--weights", "imagenet"]
    result = bench("run", "resnet18-frozen", *data)
    assert "resnet18-frozen: skipped" in result.output
    assert result.exit_code == 1
    (workplace / "of_another.pth").touch()
    planned = bench("run", "resnet18-frozen", *data[:-1], str(workplace), "--dry-run").output
    assert f"weightsimagenetof{workplace}" in "".join(planned.split())
    assert bench("run", "resnet18-frozen", "basic_cnn", *data).exit_code == 0


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("run", ["bench run --all"]),
        ("run convmixer --all", ["bench run --all"]),
        ("run resnet19", ["did you mean resnet18"]),
        ("run convmixer --preset quik", ["did you mean quick"]),
        ("run convmixer --set train.epoch=3", ["did you mean train.epochs"]),
        ("run convmixer --data nowhere", ["there is no folder or zip 'nowhere'", "FILE.zip"]),
        ("run convmixer --weights nowhere", ["--weights nowhere is no folder"]),
        ("run vit_b_16 --set data.image_size=40", ["16 divides", "--set data.image_size="]),
        ("run convmixer --device tpu9", ["no device 'tpu9'", "--device cpu"]),
        ("run convmixer --device meta", ["no device 'meta'", "--device cpu"]),
        ("leaderboard", ["bench run --all"]),
        ("ls runs", ["bench run --all"]),
        ("data nowhere", ["there is no folder or zip 'nowhere'"]),
        ("run convmixer --timeout 5m", ["--timeout", "'5m' is no number"]),
        ("run convmixer --seed x", ["--seed", "'x' is no whole number"]),
    ],
)
def test_mistakes_get_one_line_that_says_what_to_type(
    workplace: Path, command: str, parts: list[str]
) -> None:
    tiny_demo = ["--set", "demo.species=2", "--set", "demo.images_per_species=4"]
    extra = tiny_demo if command.startswith("run") else []
    assert_one_line_error(bench(*command.split(), *extra), *parts)


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (["--data", ""], ["--data is empty", "leave it out"]),
        (["--all"], ["--all names everything; leave it out, or type: bench run --all"]),
        (["--weights="], ["--weights is empty", "leave it out"]),
        (["--preset", ""], ["--preset is empty", "leave it out"]),
        ([""], ["an argument is empty"]),
        (["--data", "a", "--set", "data.source=b"], ["--data a or --set data.source=b?"]),
        (["--seed", "1", "--set", "seed=2"], ["--seed 1 or --set seed=2?"]),
        (["--weights", "demo", "--set", "weights=imagenet"], ["--weights demo or --set"]),
        (["--seed", "1", "--seeds", "3"], ["--seed and --seeds name the seeds twice"]),
        (["--seeds", "0,0"], ["names a seed twice", "--seeds 0,3,7"]),
        (["--seed", str(2**32)], ["seed=4294967296", "less than or equal to 4294967295"]),
    ],
)
def test_empty_and_contradicting_options_are_refused(
    workplace: Path, command: list[str], parts: list[str]
) -> None:
    assert_one_line_error(bench("run", "convmixer", *command), *parts)
    assert list(workplace.iterdir()) == []


def test_a_renamed_folder_is_the_same_data(run_once: Result, image_folder: Path) -> None:
    shutil.copytree(image_folder, "renamed")
    again = bench("run", "convmixer", "--data", "renamed", *TINY)
    assert "renamed: 42 images" in again.output
    assert "convmixer-scratch: complete from before" in again.output


@pytest.mark.usefixtures("workplace")
def test_what_the_encoding_of_standard_output_lacks_is_escaped() -> None:
    result = CliRunner(charset="latin-1").invoke(main, ["catalogue", "--help"])
    assert result.exit_code == 0
    assert "DIR\\u2026" in result.stdout


def test_a_warning_stands_above_live_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, raw = Terminal(), Terminal()
    monkeypatch.setattr("sys.stderr", FileProxy(Console(file=screen), raw))
    _Lines().emit(
        logging.makeLogRecord({"levelno": logging.WARNING, "msg": "wait", "levelname": "WARNING"})
    )
    assert (screen.getvalue(), raw.getvalue()) == ("Warning: wait\n", "")
