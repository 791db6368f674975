"""Runs show where they looked: the same images for all, and their own mistakes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from PIL import Image

from benchmark.classifier.loading import find_classifier
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry import models
from tests.studies import FROZEN, HEAD, artifact, files, run, tracked


def test_networks_and_heads_explain_the_same_images_and_their_own_mistakes(
    config: Config, store: Store
) -> None:
    untrained = config.train.model_copy(update={"epochs": 1, "freeze_epochs": 1, "lr": 1e-9})
    run(config.model_copy(update={"train": untrained}), HEAD, "basic_cnn", explain=True)
    tracker = open_tracker(store)
    found = {name: tracked(store, name)[0] for name in ("basic_cnn-scratch", FROZEN, HEAD)}
    told = {}
    for name, one in found.items():
        folder = artifact(tracker, one.info.run_id, "explanations")
        told[name] = json.loads((folder / "explanations.json").read_text())
        for entry in told[name]["images"] + told[name]["mistakes"]:
            with (
                Image.open(folder / entry["original"]) as original,
                Image.open(folder / entry["overlay"]) as overlay,
            ):
                assert original.format == overlay.format == "WEBP"
                assert original.size == overlay.size == (32, 24)  # in its true shape
                assert not np.array_equal(np.asarray(original), np.asarray(overlay))
        assert len(told[name]["images"]) == 6
        assert_told_as_predicted(tracker, one, told[name])
        assert one.data.tags["mlflow.loggedImages"] == "True"
        assert 0 <= one.data.metrics["deletion_auc"] <= 1
        assert 0 <= one.data.metrics["deletion_auc_random"] <= 1
        assert one.data.metrics["explain_seconds"] > 0
        assert_banner_is_there(tracker, one)
    assert told["basic_cnn-scratch"]["mistakes"]
    (pretraining,) = tracked(store, "resnet18-pretrained")
    assert pretraining.data.tags["completed"] == "true"
    assert "explain_seconds" not in pretraining.data.metrics
    kinds = [one["kind"] for one in told.values()]
    assert kinds == ["Grad-CAM", "LayerCAM", "Feature contributions"]
    shown = [[entry["original"] for entry in one["images"]] for one in told.values()]
    assert shown[0] == shown[1] == shown[2]
    keys = [
        {path.partition("+")[0] for path in files(tracker, one.info.run_id, "images")}
        for one in found.values()
    ]
    assert keys[0] == keys[1] == keys[2]
    assert {f"images/explanation~{Path(name).stem}" for name in shown[0]} == keys[0]


def assert_banner_is_there(tracker: Tracker, run: Run) -> None:
    """MLflow's page of the run opens with its overlays, above its description."""
    banner, _, text = run.data.tags["mlflow.note.content"].partition("\n\n")
    found = re.fullmatch(r"!\[.+: where it looked\]\(get-artifact\?(.+)\)", banner)
    assert found is not None
    asked = parse_qs(found[1])
    assert asked["run_uuid"] == [run.info.run_id]
    with Image.open(artifact(tracker, run.info.run_id, asked["path"][0])) as strip:
        assert strip.size == (6 * 60, 60)
    assert text.startswith("**")


def assert_told_as_predicted(tracker: Tracker, run: Run, told: dict[str, Any]) -> None:
    """The table of predictions says the same; mistakes are each class's most confident ones."""
    table = pd.read_csv(artifact(tracker, run.info.run_id, "predictions/test.csv"))
    rows = table.set_index("image")
    for entry in told["images"] + told["mistakes"]:
        row = rows.loc[entry["name"]]
        assert (entry["true"], entry["predicted"]) == (row["true"], row["predicted"])
        assert entry["probability"] == pytest.approx(row["probability"], abs=1e-3)
    wrong = table[~table["correct"]].groupby("true")["probability"].max()
    worst = {entry["true"]: entry["probability"] for entry in told["mistakes"]}
    assert worst == pytest.approx(wrong.to_dict(), abs=1e-3)


def test_a_head_whose_backbone_kept_no_weights_says_so(config: Config, store: Store) -> None:
    outcomes = run(config, HEAD, save_weights="none", explain=True)
    assert outcomes[HEAD].status == "completed"
    (head,) = tracked(store, HEAD)
    assert head.data.tags["no_explanations"] == "the backbone's weights were not kept"
    assert "explanations" not in files(open_tracker(store), head.info.run_id)


def test_an_explanation_that_fails_costs_no_run(config: Config, store: Store) -> None:
    """Of a network and of a head: the layer to show does not exist, as a plugin may mistake it."""
    models.add(replace(models["resnet18"], name="mistaken", cam_layer="nowhere"))
    try:
        outcomes = run(config, "mistaken-frozen/extra_trees", explain=True)
        picture = next(Path(config.data.source).glob("*/*.png"))
        look = find_classifier(store, "mistaken-frozen").look_at(picture)
        assert sum(probability for _, probability in look.ranking) == pytest.approx(1)
        assert look.heat is None
        assert look.told == "cam_layer 'nowhere' is no layer of the backbone"
    finally:
        models.remove("mistaken")
    (frozen, *_) = tracked(store, "mistaken-frozen")
    (head, *_) = tracked(store, "mistaken-frozen/extra_trees-n100-d10")
    tracker = open_tracker(store)
    for one in (frozen, head):
        assert one.data.tags["completed"] == "true"
        assert 0 <= one.data.metrics["test_accuracy"] <= 1
        reason = one.data.tags["explanations_failed"]
        assert reason == "cam_layer 'nowhere' is no layer of the backbone"
        assert "explanations_traceback.txt" in files(tracker, one.info.run_id)
        outcome = outcomes[one.info.run_name]
        assert outcome.remark.startswith("its explanations failed: cam_layer 'nowhere'")
