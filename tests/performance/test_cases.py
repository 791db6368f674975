"""The performance harness measures what it says, so that its figures can be believed."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark.ranking.runs import fetch
from benchmark.study.config import Config
from benchmark.study.suite import System
from benchmark.tracking.items import Metric, Param, Tag
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from benchmark.training.network import build_network
from registry.specs import Schedule
from tests.performance import arithmetic, limits
from tests.performance.__main__ import CASES, describe, main
from tests.performance.leaderboard import SYSTEMS, fill
from tests.performance.measure import Comparison, Measurement, Side, SideFailed, compare
from tests.performance.plain import Classifier, Settings
from tests.performance.settings import FULL, MODELS
from tests.performance.store import DATABASE, PRETRAINED, export, read_store
from tests.performance.stored import Report, UnlikeReport, read_report
from tests.performance.study import agreement

MEGABYTES = 150


def python(name: str, code: str) -> Side:
    return Side(name=name, command=(sys.executable, "-c", code))


def test_sides_are_timed_in_turns_and_their_own_memory_is_seen() -> None:
    small = python("small", "import time; time.sleep(0.5)")
    large = python("large", f"import time; kept = bytes({MEGABYTES} * 2**20); time.sleep(1)")
    touched = python("touched", f"import time; k = b'x' * ({MEGABYTES} * 2**20); time.sleep(1)")
    found = compare("sleep", [small, large, touched], 2, baseline="small")
    assert [len(found.sides[name]) for name in ("small", "large", "touched")] == [2, 2, 2]
    assert all(m.seconds > 0.5 for m in found.sides["small"])
    for measurement in (*found.sides["small"], *found.sides["large"]):
        assert measurement.anonymous_mb < MEGABYTES / 2  # what was never touched is not there
    assert all(m.anonymous_mb > MEGABYTES for m in found.sides["touched"])
    assert all(m.peak_mb > MEGABYTES for m in found.sides["touched"])
    assert all(m.seconds > 1 for m in found.sides["touched"])
    assert found.ratios("small") == [1, 1]


def test_a_side_that_fails_is_told_with_its_last_lines() -> None:
    with pytest.raises(SideFailed, match="out of paper"):
        compare("print", [python("printer", "raise SystemExit('out of paper')")], 1)


def test_a_case_runs_from_the_command_line_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert main(["boosting", "--small", "--json", str(report)]) == 0
    assert "max_bin 64" in capsys.readouterr().out
    written = json.loads(report.read_text())
    assert written["machine"]["git_commit"]
    (comparison,) = written["cases"]["boosting"]
    assert len(comparison["sides"]) == 4
    for (measurement,) in comparison["sides"].values():
        assert measurement["seconds"] > 0
        assert measurement["figures"]["accuracy"] > 0.2  # of ten classes


def report(folder: Path, own: float, **machine: str) -> Path:
    def took(seconds: float) -> Measurement:
        return Measurement(seconds=seconds, peak_mb=1, anonymous_mb=1)

    sides = {"plain": [took(10.0), took(12.0)], "bench": [took(own), took(own)]}
    facts = {"device": "cpu", "hardware": "a CPU", "cpu_cores": "2", **machine}
    path = folder / f"{own}-{len(machine)}.json"
    found = {"frozen": [Comparison(work="25 epochs", sides=sides)]}
    Report(machine=facts, small=False, found=found).write(path)
    return path


def test_a_report_says_what_became_slower_since_another_one(tmp_path: Path) -> None:
    before, same, slow = (read_report(report(tmp_path, own)) for own in (2.0, 2.4, 2.8))
    assert same.told_worse(before) == []
    assert slow.told_worse(before) == ["frozen / 25 epochs / bench: ratio 3.93, was 5.50"]
    other = read_report(report(tmp_path, 2.0, hardware="another CPU"))
    with pytest.raises(UnlikeReport, match="another machine: hardware another CPU, here a CPU"):
        before.told_worse(other)


def test_who_is_slower_than_before_ends_with_1_and_who_cannot_be_compared_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, slow = report(tmp_path, 2.0), read_report(report(tmp_path, 2.8))
    for measured, code, told in (
        ((read_report(before), False), 0, ""),
        ((read_report(before), True), 1, ""),
        ((slow, False), 1, "slower: frozen / 25 epochs / bench: ratio 3.93, was 5.50"),
        ((replace(slow, found={"trees": slow.found["frozen"]}), False), 2, "its cases: frozen"),
    ):
        monkeypatch.setattr("tests.performance.__main__.measure_cases", lambda *_, m=measured: m)
        assert main(["frozen", "--against", str(before)]) == code
        assert told in capsys.readouterr().out


def test_readmes_table_comes_from_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--table", str(report(tmp_path, 2.0))]) == 0
    printed = capsys.readouterr().out
    assert "on device cpu, hardware a CPU, cpu cores 2:" in printed
    assert "| frozen: 25 epochs | 2 | bench 2 s | plain 11 s | 5.5 |" in printed
    (tmp_path / "list").write_text("[]")
    assert main(["--table", str(tmp_path / "list")]) == 2
    assert "is no report of --json" in capsys.readouterr().out


def test_the_full_study_is_the_published_one_on_images_of_the_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    published = Config()
    assert {
        "image_size": published.data.size,
        "epochs": published.train.epochs,
        "batch_size": published.train.batch_size,
        "freeze_epochs": published.train.freeze_epochs,
    } == FULL
    with pytest.raises(SystemExit, match="2"):
        main(["study", "--full"])
    assert "add --data DIR" in capsys.readouterr().err


def test_every_case_says_what_it_measures() -> None:
    assert all(describe(case).endswith(".") for case in CASES)


@pytest.mark.parametrize(("model", "schedule"), [("basic_cnn", "scratch"), ("resnet18", "frozen")])
def test_the_plain_loop_trains_the_same_layers(model: str, schedule: Schedule) -> None:
    settings = Settings(data="", image_size=32, epochs=1)
    plain = Classifier(model, settings, 7, deep=schedule == "frozen")
    own = build_network(model, schedule, 32, 7)
    shapes = [
        {name: tensor.shape for name, tensor in network.state_dict().items()}
        for network in (plain, own)
    ]
    assert shapes[0] == shapes[1]


def test_copied_runs_are_rows_of_the_leaderboard(store: Store, workplace: Path) -> None:
    tracker = Tracker(store)
    tags = {"kind": "network", "group": "from scratch", "context": "c", "system": "S"}
    with tracker.start("s", tags) as run:
        run.log(Metric("test_accuracy", 0.5), Metric("best_val_accuracy", 0.5), Tag("weights", ""))
        numbers = ("data.num_images", "data.num_classes", "data.image_size", "train.epochs", "seed")
        run.log(*(Param(name, 1) for name in numbers))
    fill(workplace, 60)
    table = fetch(store)
    assert len(table) == 60
    assert table["test_accuracy"].tolist() == [0.5] * 60
    assert table["run"].nunique() == SYSTEMS + 1
    with closing(sqlite3.connect(workplace / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (60,)


def test_what_was_deleted_from_a_store_is_not_what_a_side_did(
    store: Store, workplace: Path
) -> None:
    tracker = Tracker(store)
    for name, seconds in (("deleted", 7.0), ("done", 3.0)):
        with tracker.start(name, {}) as run:
            run.log(Metric("test_accuracy", 0.5), Metric("fit_seconds", seconds))
        if name == "deleted":
            tracker.client.delete_run(run.id)
    figures = read_store(workplace)
    assert figures["test_accuracies"] == {"done": 0.5}
    assert figures["fit_seconds"] == 3.0


def side(accuracies: list[float]) -> list[Measurement]:
    systems = {f"network{place}": accuracy for place, accuracy in enumerate(accuracies)}
    figures = {"test_accuracies": systems}
    return [Measurement(seconds=1, peak_mb=1, anonymous_mb=1, figures=figures)]


def test_accuracies_agree_only_within_chance() -> None:
    plain = side([0.5, 0.6, 0.7, 0.8])
    sides = {
        "plain": plain,
        "near": side([0.51, 0.58, 0.71, 0.79]),
        "worse": side([0.4, 0.51, 0.6, 0.69]),
    }
    assert "near: test accuracies agree" in agreement(sides, "near")
    assert "worse: test accuracies DISAGREE" in agreement(sides, "worse")
    assert "mean difference -10.00 points" in agreement(sides, "worse")


def test_what_training_has_to_move_is_weights_and_what_the_backward_pass_needs() -> None:
    network = torch.nn.Linear(8, 2, bias=False)
    batch = torch.zeros(4, 8)
    step = 10 * 8 * 2 * 4 + 2 * 4 * 8 * 4  # weights ten times; the batch written and read
    assert limits.training_bytes(network, batch, images=12) == 3 * step


def test_processor_time_is_told_by_kind_of_operator() -> None:
    operators = {"aten::mkldnn_convolution": 3.0, "aten::_fused_adam_": 1.0, "x": 2.0}
    found = limits.by_kind(operators, whole=8.0)
    assert found["convolution_percent"] == 37.5
    assert found["optimizer_percent"] == 12.5
    assert (found["other_percent"], found["python_percent"]) == (25.0, 25.0)
    assert sum(found.values()) == 100


def test_pretrained_weights_are_exported_from_where_the_store_says_they_are(
    workplace: Path,
) -> None:
    artifacts = workplace / "kept here"
    artifacts.mkdir()
    tensors = {"backbone.conv": torch.ones(2), "classifier.bias": torch.zeros(2)}
    save_file(tensors, artifacts / "weights.safetensors")
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute("CREATE TABLE runs (name TEXT, artifact_uri TEXT)")
        row = (f"resnet18{PRETRAINED}", artifacts.as_uri())
        database.execute("INSERT INTO runs VALUES (?, ?)", row)
    export()
    assert torch.load("resnet18.pt")["conv"].tolist() == [1, 1]


def test_the_bound_counts_the_networks_that_the_study_case_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = set()

    def count(system: System, *others: int) -> dict[str, float]:
        counted.add(system.model)
        return {"flops": 1e12}

    monkeypatch.setattr("benchmark.evaluation.cost.network_cost", count)
    monkeypatch.setattr(arithmetic, "best_rate", lambda: 1e12)
    told = arithmetic.describe(64, epochs=3, freeze_epochs=1, train=10, val=1, classes=2)
    assert counted == {*MODELS}
    # From scratch 3 * 31 for each of 5; of 2 fine-tuned and frozen, 11 + 2 * 31 and 11.
    assert told["seconds"] == 5 * 93 + 2 * (73 + 11)
