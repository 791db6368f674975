"""`bench explain` on pictures of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from torch import nn

from benchmark.classifier.network import load_network
from benchmark.cli import main
from benchmark.explain.explainers import NetworkExplainer
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.tracking.store import Store
from benchmark.training.network import Network
from tests.conftest import COLOURS
from tests.explain.patches import VIT, tiny_vit
from tests.pages.colours import colour_classifier, picture
from tests.studies import FROZEN, HEAD, artifact, own_store, run, tracked
from tests.test_cli import assert_one_line_error

BOOSTED = "resnet18-frozen/xgboost-n100-d10"
UNKEPT = "resnet18-frozen/extra_trees-n200-d16"


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.fixture(scope="module")
def trained(
    config: Config, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with a store of a network and heads on it, of which one was not kept."""
    folder = tmp_path_factory.mktemp("trained")
    with own_store(folder, empty_database):
        run(config, HEAD, BOOSTED, save_weights="all")
        run(config, UNKEPT)
        yield folder


@pytest.fixture
def pictures(trained: Path, image_folder: Path) -> Iterator[list[str]]:
    """Copies of an image of each class, under names of their own; what is drawn goes again."""
    before = {*trained.iterdir()}
    for name in COLOURS:
        shutil.copy(image_folder / name / "03.png", f"my {name}.png")
    yield [f"my {name}.png" for name in COLOURS]
    for path in {*trained.iterdir()} - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_networks_and_heads_classify_and_draw_ones_own_pictures(
    pictures: list[str], trained: Path, image_folder: Path
) -> None:
    store = Store()
    tracker = open_tracker(store)
    for name, kind in ((FROZEN, "LayerCAM"), (HEAD, "Feature contr"), (BOOSTED, "Feature contr")):
        result = explain(*pictures, "--model", name)
        assert result.exit_code == 0, result.output
        assert result.output.count("%") == 9  # three classes of three pictures
        (tracked_run,) = tracked(store, name)
        table = pd.read_csv(artifact(tracker, tracked_run.info.run_id, "predictions/test.csv"))
        row = table.iloc[0]
        again = explain(str(image_folder / row["image"]), "--model", name, "--out", "test images")
        best = next(line.split() for line in again.output.splitlines() if "%" in line)
        assert best[1] == row["predicted"]
        assert float(best[0].rstrip("%")) / 100 == pytest.approx(row["probability"], abs=1e-3)
        assert kind in result.output
        file = f"my blue-{name.replace('/', '-')}.png"
        with Image.open(trained / file) as panels:
            np.testing.assert_allclose(
                np.asarray(panels)[100:240, 10:230].mean((0, 1)), COLOURS["blue"], atol=12
            )
    before = (trained / file).read_bytes()
    result = explain(pictures[0], "--model", BOOSTED, "--class", "red")
    assert result.output.splitlines()[-2] == f"  {file}: Feature contributions for red"
    assert (trained / file).read_bytes() != before  # its own file may be replaced
    explain(pictures[0], "--model", BOOSTED, "--out", "drawn")
    assert [path.name for path in (trained / "drawn").iterdir()] == [file]
    shutil.copy(pictures[0], trained / "drawn" / file)  # by another program
    result = explain(pictures[0], "--model", BOOSTED, "--out", "drawn")
    assert_one_line_error(result, file, "not by bench", "--out DIR")


@pytest.mark.parametrize("attends", [True, False])
def test_a_map_that_is_the_same_for_every_class_is_not_told_to_be_of_one(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, attends: bool
) -> None:
    classifier = colour_classifier()
    captions: list[str] = []
    if attends:
        network = Network(tiny_vit(), nn.Sequential(nn.Linear(32, 3))).eval()
        classifier = replace(classifier, make_explainer=lambda: NetworkExplainer(network, VIT))

    def drawn(*arguments: Any) -> Image.Image:
        captions.append(arguments[4])
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr("benchmark.classifier.loading.find_classifier", lambda *_, **__: classifier)
    monkeypatch.setattr("benchmark.explain.panels.draw_panels", drawn)
    Path("red.png").write_bytes(picture((220, 40, 40)))
    for asked, is_said in (([], False), (["--class", "green"], attends)):
        result = explain("red.png", *asked)
        assert result.exit_code == 0, result.output
        caption = captions.pop()
        for told in (result.output, caption):
            assert ("the same for every class" in told) == is_said
        assert (f" for {caption.partition(' (')[0]}\n" in result.output) != is_said


def test_mistakes_say_what_to_type(
    pictures: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
        assert_one_line_error(explain(pictures[0], "--model", FROZEN), "bench run --all")
    assert_one_line_error(
        explain(pictures[0], "--model", "resnet19-frozen"), "did you mean", FROZEN
    )
    again = f"bench run {UNKEPT} --save-weights all --force"
    assert_one_line_error(explain(pictures[0], "--model", UNKEPT), again)
    wrong_class = explain(pictures[0], "--model", FROZEN, "--class", "bleu")
    assert_one_line_error(wrong_class, "did you mean blue?")
    assert_one_line_error(explain("nowhere.png", "--model", FROZEN), "nowhere.png", "No such file")
    assert_one_line_error(explain("mlflow.db", "--model", FROZEN), "mlflow.db", "not an image")
    elsewhere = explain(pictures[0], "--model", FROZEN, "--context", "zzz")
    assert_one_line_error(elsewhere, "sets of runs begin with 'zzz'", "there are: ")
    Path("other").mkdir()
    shutil.copy(pictures[0], "other")
    twice = explain(pictures[0], f"other/{pictures[0]}", "--model", FROZEN)
    assert_one_line_error(twice, "one at a time, each with an --out DIR of its own")
    theirs = trained / f"my blue-{FROZEN}.png"
    shutil.copy(pictures[1], theirs)
    content = theirs.read_bytes()
    assert_one_line_error(explain(pictures[0], "--model", FROZEN), theirs.name, "--out DIR")
    assert theirs.read_bytes() == content


def test_a_file_that_is_something_else_is_told_in_one_line(
    pictures: list[str],
) -> None:
    store = Store()
    tracker = open_tracker(store)
    for name, file in (
        (FROZEN, "weights.safetensors"),
        (FROZEN, "config.json"),
        (FROZEN, "predictions/classes.json"),
        (HEAD, "head.skops"),
        (BOOSTED, "head.ubj"),
        (FROZEN, "embeddings.safetensors"),
    ):
        path = artifact(tracker, tracked(store, name)[0].info.run_id, file)
        content = path.read_bytes()
        for other in (b"no such thing", b"", content[: len(content) // 2], None):
            path.unlink() if other is None else path.write_bytes(other)
            load_network.cache_clear()
            model = HEAD if file == "embeddings.safetensors" else name
            found = explain(pictures[0], "--model", model)
            assert_one_line_error(found, file.partition(".")[0], f"of the run {name}", "--force")
            path.write_bytes(content)
    assert explain(pictures[0], "--model", HEAD).exit_code == 0
