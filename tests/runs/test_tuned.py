"""The preset in which each system has a recipe of its own, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from benchmark.cli import main
from benchmark.study.tuned import TEACHER
from benchmark.tracking.store import Store
from tests.studies import tracked

TINY = ("data.image_size=32", "train.epochs=2", "train.freeze_epochs=1", "pretrain.epochs=1")


def test_tuned_systems_stand_in_one_table_with_the_studys_layers(
    store: Store, image_folder: Path
) -> None:
    settings = [part for setting in TINY for part in ("--set", setting)]
    command = ["run", "basic_cnn", "convmixer", "--data", str(image_folder), "--no-explain"]
    result = CliRunner().invoke(main, [*command, "--preset", "tuned", *settings])
    assert result.exit_code == 0, result.output
    published = CliRunner().invoke(main, [*command, *settings])
    assert published.exit_code == 0, published.output

    for name in ("basic_cnn-scratch", "convmixer-scratch"):
        study, tuned = sorted(tracked(store, name), key=lambda run: run.data.tags["preset"])
        assert tuned.data.metrics["params_total"] == study.data.metrics["params_total"]
        assert tuned.data.params["train.lr_schedule"] == "cosine"
        assert study.data.params["train.lr_schedule"] == "constant"
        assert tuned.data.tags["context"] != study.data.tags["context"]
    (teacher,) = tracked(store, TEACHER)
    newest = CliRunner().invoke(main, ["leaderboard"])
    assert "32 px, preset tuned, at most 2 epochs" in newest.output
    context = teacher.data.tags["context"][:8]
    board = CliRunner().invoke(main, ["leaderboard", "--context", context, "--format", "json"])
    shown = {row["system"] for row in json.loads(board.output)}
    assert {"Basic CNN (distilled)", "ConvMixer Model"} <= shown
