"""What is complete is reused, what failed is made again, what is kept predicts the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from benchmark.execution.planning import plan_study
from benchmark.runs.options import RunOptions
from benchmark.runs.run_one import open_tracker, run_one
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.claims import claim
from benchmark.tracking.store import Store
from benchmark.training.epochs import EpochResult
from registry import models
from registry.specs import ModelSpec
from tests.studies import FROZEN, HEAD, Quiet, artifact, files, run, tracked


@pytest.fixture
def broken() -> Iterator[None]:
    """A registered model whose factory raises."""

    def factory(image_size: int) -> nn.Module:
        if torch.get_default_device().type == "meta":
            return models["resnet18"].factory(image_size)  # planning finds nothing wrong
        raise RuntimeError("the factory is on strike")

    models.add(
        ModelSpec(name="broken", title="Broken", factory=factory, schedules=("scratch", "frozen"))
    )
    yield
    models.remove("broken")


def test_complete_runs_are_reused_until_forced_or_changed(config: Config, store: Store) -> None:
    run(config, "basic_cnn")
    again, changed, forced = Quiet(), Quiet(), Quiet()
    assert run(config, "basic_cnn", listener=again)["basic_cnn-scratch"].reused
    assert again.begun == []
    run(config.model_copy(update={"seed": 1}), "basic_cnn", listener=changed)
    assert changed.begun == ["basic_cnn-scratch"]
    run(config, "basic_cnn", force=True, listener=forced)
    assert forced.begun == ["basic_cnn-scratch"]
    assert len(tracked(store, "basic_cnn-scratch")) == 3


def test_a_run_starts_once_it_is_claimed(
    config: Config, workplace: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = plan_study(config, find_systems(["basic_cnn"]), workplace / "home").plan
    options = RunOptions(store=store, home=workplace / "home", device="cpu")
    told: list[str] = []

    def claiming(*given: Any, **named: Any) -> Any:
        claimed = claim(*given, **named)
        told.append("claimed")
        return claimed

    monkeypatch.setattr("benchmark.runs.run_one.claim", claiming)
    monkeypatch.setattr("benchmark.runs.run_one._log", lambda *given: iter(()))
    for reused in (False, True):
        outcome = run_one(spec, options, started=lambda: told.append("started"))
        assert (outcome.status, outcome.reused) == ("completed", reused)
    assert told == ["claimed", "started", "claimed"]


def test_the_same_seed_gives_the_same_results(config: Config, store: Store) -> None:
    run(config, "convmixer")
    run(config, "convmixer", force=True)
    first, second = tracked(store, "convmixer-scratch")
    for name in ("test_log_loss", "best_val_loss", "train_loss"):
        assert first.data.metrics[name] == second.data.metrics[name]


def test_a_failure_is_recorded_and_its_neighbours_go_on(
    config: Config, store: Store, broken: None
) -> None:
    outcomes = run(config, "broken-frozen/extra_trees", "convmixer")
    assert outcomes["broken-frozen"].status == "skipped"
    assert outcomes["convmixer-scratch"].status == "completed"
    failed = outcomes["broken-pretrained"]
    assert failed.status == "failed"
    assert failed.reason.startswith(f"model broken of the plugin {__name__} failed: ")
    assert failed.reason.endswith("RuntimeError: the factory is on strike")
    (found,) = tracked(store, "broken-pretrained")
    assert found.info.status == "FAILED"
    traceback = artifact(open_tracker(store), found.info.run_id, "traceback.txt").read_text()
    assert "on strike" in traceback
    head = outcomes["broken-frozen/extra_trees-n100-d10"]
    assert head.status == "skipped"
    assert head.reason == "needs broken-frozen, which was skipped"
    assert outcomes["broken-frozen"].reason == "needs broken-pretrained, which failed"


def test_a_failure_is_not_reused(config: Config, store: Store, broken: None) -> None:
    listener = Quiet()
    run(config, "broken", listener=listener)
    run(config, "broken", listener=listener)
    assert listener.begun == ["broken-scratch", "broken-scratch"]


def test_a_loss_that_turns_nan_fails_the_run_with_advice(config: Config, store: Store) -> None:
    train = config.train.model_copy(update={"lr": 100.0, "optimizer": "sgd"})
    hot = config.model_copy(update={"train": train})
    outcome = run(hot, "basic_cnn")["basic_cnn-scratch"]
    assert outcome.status == "failed"
    assert "--set train.lr=" in outcome.reason


def test_missing_imagenet_weights_skip_their_runs_with_the_remedy(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("offline")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    imagenet = config.model_copy(update={"weights": "imagenet"})
    outcomes = run(imagenet, HEAD, "convmixer")
    assert outcomes[FROZEN].status == outcomes[HEAD].status == "skipped"
    assert "resnet18-f37072fd.pth cannot be had (offline)" in outcomes[FROZEN].reason
    assert "--weights FOLDER" in outcomes[FROZEN].reason
    assert outcomes["convmixer-scratch"].status == "completed"
    (skipped,) = tracked(store, FROZEN)
    assert skipped.data.tags["skipped"] == outcomes[FROZEN].reason


def test_an_interruption_leaves_a_store_from_which_the_next_start_goes_on(
    config: Config, store: Store
) -> None:
    class Impatient(Quiet):
        def epoch(self, spec: RunSpec, result: EpochResult) -> None:
            if spec.name == "convmixer-scratch" and result.epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, "basic_cnn", "convmixer", listener=Impatient())
    (stopped,) = tracked(store, "convmixer-scratch")
    assert stopped.info.status == "KILLED"
    listener = Quiet()
    outcomes = run(config, "basic_cnn", "convmixer", listener=listener)
    assert listener.begun == ["convmixer-scratch"]
    assert {outcome.status for outcome in outcomes.values()} == {"completed"}


def test_heads_asked_for_later_find_the_embeddings(config: Config, store: Store) -> None:
    run(config, FROZEN)
    listener = Quiet()
    run(config, HEAD, "resnet18-frozen/xgboost-n100-d10", listener=listener)
    assert set(listener.begun) == {HEAD, "resnet18-frozen/xgboost-n100-d10"}
    (booster,) = tracked(store, "resnet18-frozen/xgboost-n100-d10")
    assert booster.data.metrics["trees"] == 300  # rounds times classes


def test_only_weights_that_heads_need_are_kept_as_asked(config: Config, store: Store) -> None:
    boosted = "resnet18-frozen/xgboost-n100-d10"
    run(config, HEAD, boosted, save_weights="needed")
    tracker = open_tracker(store)
    names = {
        name: files(tracker, tracked(store, name)[0].info.run_id)
        for name in (FROZEN, HEAD, boosted)
    }
    assert "weights.safetensors" in names[FROZEN]
    assert "head.skops" not in names[HEAD]
    assert "head.ubj" not in names[boosted]


def test_saved_heads_predict_what_they_predicted(config: Config, store: Store) -> None:
    import skops.io
    from xgboost import XGBClassifier

    boosted = "resnet18-frozen/xgboost-n100-d10"
    run(config, HEAD, boosted, save_weights="all")
    tracker = open_tracker(store)
    embeddings = load_file(
        artifact(tracker, tracked(store, FROZEN)[0].info.run_id, "embeddings.safetensors")
    )["embeddings"]
    study = plan_study(config, find_systems([FROZEN]), Path("home"))
    test = embeddings[study.data.rows("test")]
    assert "weights.safetensors" in files(tracker, tracked(store, FROZEN)[0].info.run_id)
    forest_file = artifact(tracker, tracked(store, HEAD)[0].info.run_id, "head.skops")
    forest = skops.io.load(forest_file, trusted=skops.io.get_untrusted_types(file=forest_file))
    booster = XGBClassifier()
    booster.load_model(artifact(tracker, tracked(store, boosted)[0].info.run_id, "head.ubj"))
    for name, classifier in ((HEAD, forest), (boosted, booster)):
        run_id = tracked(store, name)[0].info.run_id
        stored = load_file(artifact(tracker, run_id, "predictions/test.safetensors"))
        np.testing.assert_allclose(
            classifier.predict_proba(test), stored["probabilities"], atol=1e-6
        )
