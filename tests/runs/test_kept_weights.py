"""Of all that is run, the best row's weights are there in the end, and no others by accident."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from requests import HTTPError
from sklearn.dummy import DummyClassifier

from benchmark.classifier.completed import find_runs
from benchmark.classifier.loading import find_classifier
from benchmark.execution.launch import Launch
from benchmark.execution.listener import Listener
from benchmark.execution.planning import plan_study
from benchmark.ranking.runs import fetch
from benchmark.runs.head import _saved
from benchmark.runs.kept_weights import keeps, leave_best
from benchmark.runs.options import RunOptions
from benchmark.runs.record import tags_of
from benchmark.runs.run_one import open_tracker
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from benchmark.study.suite import find_systems
from benchmark.tracking.items import Artifact, Metric, Param, Tag
from benchmark.tracking.registered import add_version
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import TrackedRun
from benchmark.tracking.writer import Tracker
from registry.errors import PluginError
from registry.specs import HeadSpec
from tests.ranking.test_tables import PARAMS
from tests.studies import FROZEN, HEAD, files
from tests.tracking.away import Away


def kept(store: Store) -> set[str]:
    """Names of the runs that have weights, and say so."""
    tracker = open_tracker(store)
    having = set()
    for one in tracker.search("tags.completed = 'true'"):
        has = {"weights.safetensors", "head.skops"} & files(tracker, one.info.run_id)
        assert bool(has) == (one.data.tags.get("weights_file") == "kept")
        having |= {one.info.run_name} if has else set()
    return having


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_best_row_can_be_used_after_any_number_of_commands(
    config: Config, store: Store, image_folder: Path, jobs: int
) -> None:
    commands = [["basic_cnn-scratch", "convmixer"], [HEAD, FROZEN, "basic_cnn-scratch"]]
    for names in commands[jobs - 1 :]:
        study = plan_study(config, find_systems(names), Path("home"))
        launch = Launch(study=study, home=Path("home"), device="cpu", explain=False, jobs=jobs)
        assert {one.status for one in launch.execute(Listener())} == {"completed"}
        best = find_runs(store)[0].info.run_name
        with_weights = {name for name in kept(store) if "pretrained" not in name}
        assert best in with_weights
        assert with_weights <= {best, FROZEN}
        file = image_folder / "red" / "00.png"
        assert len(find_classifier(store).predict([file])) == 1


def test_a_plugins_head_that_cannot_be_written_fails_only_if_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(head: Any, folder: Path) -> Path:
        raise TypeError("a lambda cannot be written")

    monkeypatch.setattr("benchmark.runs.head.save_head", unwritable)
    kind = HeadSpec(name="mine", title="Mine", factory=lambda **_: DummyClassifier())
    mark = Tag("weights_file", "kept")
    (told,) = _saved(DummyClassifier(), kind, [mark], tmp_path, wanted=False)
    assert isinstance(told, Tag)
    assert told.name == "no_weights"
    assert "a lambda cannot be written" in told.value
    with pytest.raises(PluginError, match=r"head mine.*a lambda cannot be written"):
        list(_saved(DummyClassifier(), kind, [mark], tmp_path, wanted=True))


def spec_of(config: Config, workplace: Path) -> RunSpec:
    return next(iter(plan_study(config, find_systems(["convmixer"]), workplace / "home").plan))


def test_a_run_keeps_weights_if_it_may_yet_be_the_best(
    config: Config, store: Store, workplace: Path, tmp_path: Path
) -> None:
    spec, tracker = spec_of(config, workplace), Tracker(store)
    options = RunOptions(store=store, home=workplace / "home", keep_best=True)

    def tags(val_accuracy: float, options: RunOptions = options) -> dict[str, str]:
        return {tag.name: tag.value for tag in keeps(spec, options, val_accuracy, 100)}

    (tmp_path / "weights.safetensors").write_bytes(b"weights")

    def make(name: str, seed: int, val_accuracy: float) -> str:
        labels = {"context": spec.context, "group": "from scratch", "system": name}
        with tracker.start(name, {**labels, "model": name, **tags(val_accuracy)}) as made:
            made.log(*(Param(key, value) for key, value in (PARAMS | {"seed": seed}).items()))
            made.log(Metric("best_val_accuracy", val_accuracy), Metric("test_accuracy", 0.5))
            made.log(Artifact(tmp_path / "weights.safetensors"))
        return made.id

    assert tags(0.01)["weights_file"] == "kept"  # the first
    steady = [make("steady", seed, 0.8) for seed in (0, 1)]
    varied = [make("varied", seed, val) for seed, val in ((0, 0.85), (1, 0.74))]
    assert "weights_file" in tags(0.78)  # within two standard errors of 0.85 in 100 images
    assert not tags(0.77)
    assert not tags(0.9, RunOptions(store=store, home=workplace / "home"))
    asked = RunOptions(store=store, home=workplace / "home", save_weights=frozenset([spec.id]))
    assert tags(0.1, asked) == {"weights_file": "kept"}
    third = make("third", 0, 0.79)
    registered, backbone = (make(name, 0, 0.79) for name in ("registered", "backbone"))
    for name in (registered, varied[0]):
        tracker.client.set_tag(name, "backbone_run_id", backbone)
    run = tracker.client.get_run(registered)
    add_version(tracker, run, "model", card="", tags={})
    for _ in range(2):
        leave_best(store, tracker, {"another"})
        assert files(tracker, third)
    kept_or_not = (*steady, *varied, third, registered, backbone)
    for _ in range(2):
        leave_best(store, tracker, {spec.context})
        has = {run_id: bool(files(tracker, run_id)) for run_id in kept_or_not}
        # The best row, the best run of each seed; that which never kept them is left alone.
        assert has == {
            steady[0]: True,
            steady[1]: True,
            varied[0]: True,
            varied[1]: True,
            third: False,
            registered: True,  # a model that people load by its name
            backbone: True,  # of a head that is kept
        }
    assert tracker.client.get_run(third).data.tags["weights_file"] == "removed"


@pytest.mark.parametrize("order", ["lucky first", "steady first"])
def test_a_run_of_the_best_row_keeps_weights_beside_a_lucky_run(
    config: Config, store: Store, workplace: Path, order: str
) -> None:
    """A row counts by the mean of its seeds, not by its best run."""
    spec, tracker = spec_of(config, workplace), Tracker(store)
    options = RunOptions(store=store, home=workplace / "home", keep_best=True)

    def make(model: str, seed: int, val_accuracy: float) -> bool:
        own = replace(spec, system=replace(spec.system, model=model), seed=seed)
        found = [*keeps(own, options, val_accuracy, 100)]
        with tracker.start(own.name, tags_of(own, options) | {"context": spec.context}) as made:
            params = PARAMS | {"seed": seed, "data.image_size": spec.image_size}
            made.log(*(Param(key, value) for key, value in params.items()))
            made.log(Metric("best_val_accuracy", val_accuracy))
        return bool(found)

    lucky, steady = ("convmixer", (0.95, 0.5)), ("basic_cnn", (0.75, 0.74))
    rows = [lucky, steady] if order == "lucky first" else [steady, lucky]
    kept = {model: [make(model, *one) for one in enumerate(vals)] for model, vals in rows}
    assert kept["basic_cnn"] == [True, True]
    assert kept["convmixer"] == [True, order == "lucky first"]
    assert not make("residual_cnn", 0, 0.7)


def test_a_run_that_ends_while_another_command_ranks_keeps_its_weights(
    config: Config,
    store: Store,
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, tracker = spec_of(config, workplace), Tracker(store)
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "head.skops").write_bytes(b"head")
    kept = {"weights_file": "kept", "weights_kept": "while best"}

    def begin(name: str, val_accuracy: float, file: str, **tags: str) -> TrackedRun:
        labels = {"context": spec.context, "group": "from scratch", "system": name, "model": name}
        made = tracker.start(name, {**labels, **kept, **tags})
        made.log(*(Param(key, value) for key, value in (PARAMS | {"seed": 0}).items()))
        made.log(Metric("best_val_accuracy", val_accuracy), Metric("test_accuracy", 0.5))
        made.log(Artifact(tmp_path / file))
        made.flush()
        return made

    def make(name: str, val_accuracy: float, file: str, **tags: str) -> str:
        with begin(name, val_accuracy, file, **tags) as made:
            pass
        return made.id

    def fetch_late(*args: Any) -> pd.DataFrame:
        ended.append(make("head", 0.9, "head.skops", backbone_run_id=backbone))
        ranked = fetch(*args)
        ended.append(make("late", 0.95, "weights.safetensors"))
        return ranked

    ended: list[str] = []
    best, backbone, poor = (
        make(name, val_accuracy, "weights.safetensors")
        for name, val_accuracy in (("best", 0.8), ("backbone", 0.5), ("poor", 0.4))
    )
    running = begin("running", 0.99, "weights.safetensors")
    monkeypatch.setattr("benchmark.runs.kept_weights.fetch", fetch_late)
    leave_best(store, tracker, {spec.context})
    has = [bool(files(tracker, run_id)) for run_id in (*ended, running.id, backbone, best, poor)]
    assert has == [True, True, True, True, False, False]


@pytest.mark.parametrize("error", [PermissionError("not yours"), HTTPError("403 FORBIDDEN")])
def test_weights_that_may_not_be_removed_yet_are_told_and_removed_later(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    tracker = Tracker(store)
    (tmp_path / "weights.safetensors").write_bytes(b"weights")

    def make(name: str, val_accuracy: float) -> str:
        labels = {"context": "one", "group": "from scratch", "system": name, "model": name}
        kept = {"weights_file": "kept", "weights_kept": "while best"}
        with tracker.start(name, {**labels, **kept}) as made:
            made.log(*(Param(key, value) for key, value in (PARAMS | {"seed": 0}).items()))
            made.log(Metric("best_val_accuracy", val_accuracy), Metric("test_accuracy", 0.5))
            made.log(Artifact(tmp_path / "weights.safetensors"))
        return made.id

    def refuse(*args: object) -> None:
        raise error

    def said() -> list[str]:
        return [tracker.client.get_run(id_).data.tags["weights_file"] for id_ in made]

    made = [make(name, val) for name, val in (("best", 0.8), ("poor", 0.5), ("poorer", 0.4))]
    away = Away(tracker)
    away.begin()
    leave_best(store, tracker, {"one"})
    away.end()
    assert said() == ["kept"] * 3
    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "delete_artifacts", refuse)
        leave_best(store, tracker, {"one"})
    (told,) = [one for one in caplog.messages if "cannot be removed" in one]
    assert "poorer, poor" in told
    assert str(error) in told
    assert all(files(tracker, id_) for id_ in made)
    assert said() == ["kept", "removing", "removing"]  # which nobody uses
    leave_best(store, tracker, {"one"})
    assert [bool(files(tracker, id_)) for id_ in made] == [True, False, False]
    assert said() == ["kept", "removed", "removed"]
