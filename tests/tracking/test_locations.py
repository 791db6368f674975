"""Artifacts lie where the settings say and nowhere else, and are found again after a move."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark.tracking.items import Artifact
from benchmark.tracking.locations import new_location
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError
from tests.studies import artifact

ROOT = "ml artifacts #1 50%20"


@pytest.fixture
def root(workplace: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder with an odd name, where one works as by default."""
    project = workplace / "my project #1"
    project.mkdir()
    shutil.copy(empty_database, project)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"./{ROOT}")
    work_in(project, monkeypatch)
    return workplace


def work_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a project and use its store; MLflow would take it for another's of the same address."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")


def log_text(text: str) -> str:
    """Make a run that keeps a text; its id."""
    tracker = Tracker(Store())
    Path("note.txt").write_text(text)
    with tracker.start("noted", {}) as run:
        run.log(Artifact(Path("note.txt")))
    return run.id


def read_text(run_id: str) -> str:
    return artifact(Tracker(Store()), run_id, "note.txt").read_text()


def notes(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("artifacts/note.txt")}


@pytest.mark.parametrize("experiment", ["plain", "../../x", "a/b", "..", "/etc/x", "é 画 #%20?"])
def test_artifacts_stay_below_the_root_whatever_the_experiment_is_called(
    root: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    run_id = log_text("here")
    assert read_text(run_id) == "here"
    (found,) = notes(root)
    project, artifacts, folder, run, *_ = Path(found).parts
    assert (project, artifacts, run) == (Path.cwd().name, ROOT, run_id)
    assert folder not in ("..", ".")


def test_a_root_may_be_an_address(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", (root / "my arts").as_uri())
    run_id = log_text("there")
    assert notes(root) == {f"my arts/tests/{run_id}/artifacts/note.txt"}
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "hdfs://host:8020/arts/")
    assert new_location(Store()) == "hdfs://host:8020/arts/tests"
    assert new_location(Store(uri="http://host:5000", experiment="x")) is None
    assert {path.name for path in Path().iterdir()} == {"mlflow.db", "note.txt"} | {
        path.name for path in Path().glob("mlflow.db-*")
    }


@pytest.mark.parametrize(
    ("place", "told"),
    [("s3://bucket/arts", "uv pip install boto3"), ("file://elsewhere/arts", "file:///FOLDER")],
)
def test_a_root_that_cannot_be_used_is_told_before_anything_is_made(
    root: Path, place: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", place)
    with pytest.raises(UserError, match=told):
        Tracker(Store(uri=f"sqlite:///{root}/new.db", experiment="x"))
    assert {path.name for path in root.iterdir()} == {Path.cwd().name}


def test_a_project_that_is_renamed_keeps_its_artifacts_and_adds_to_them(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = log_text("before")
    old = Path.cwd()
    new = old.rename(root / "renamed")
    work_in(new, monkeypatch)
    assert read_text(first) == "before"
    second = log_text("after")
    assert notes(new) == {f"{ROOT}/tests/{one}/artifacts/note.txt" for one in (first, second)}
    assert not old.exists()
    assert caplog.text.count("the store has moved") == 1


def test_a_copied_project_leaves_the_original_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = log_text("before")
    original = Path.cwd()
    copy = Path(shutil.copytree(original, root / "copy"))
    work_in(copy, monkeypatch)
    second = log_text("in the copy")
    assert notes(original) == {f"{ROOT}/tests/{first}/artifacts/note.txt"}
    assert len(notes(copy)) == 2
    shutil.rmtree(original)
    assert read_text(first) == "before"
    assert read_text(second) == "in the copy"


def test_a_store_that_moves_alone_still_finds_its_artifacts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = log_text("before")
    elsewhere = root / "elsewhere"
    (elsewhere / "tests").mkdir(parents=True)  # a folder that happens to be called so
    for file in Path().glob("mlflow.db*"):
        shutil.move(file, elsewhere)
    project = Path.cwd()
    work_in(elsewhere, monkeypatch)
    assert read_text(first) == "before"
    shutil.rmtree(project / ROOT)
    with pytest.raises(UserError, match=rf"{ROOT}/tests, which is gone; move them back"):
        Tracker(Store())
    (elsewhere / ROOT / "tests").mkdir(parents=True)
    second = log_text("begun anew")
    assert notes(root) == {f"elsewhere/{ROOT}/tests/{second}/artifacts/note.txt"}


def test_an_experiment_without_runs_moves_with_its_store(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tracker(Store())
    work_in(Path.cwd().rename(root / "renamed"), monkeypatch)
    log_text("here")
    assert {path.name for path in root.iterdir()} == {"renamed"}
    assert [path.name for path in Path(ROOT).iterdir()] == ["tests"]
