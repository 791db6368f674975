"""Artifacts behind a real MLflow server are brought here for as long as they are read."""

from __future__ import annotations

import errno
import socket
import tempfile
from pathlib import Path

import pytest

from benchmark.pages.server import serving
from benchmark.tracking.items import Artifact
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError


def test_what_a_server_keeps_is_brought_here_and_leaves_nothing(
    store: Store,
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    note = workplace / "note.txt"
    note.write_text("hello")
    here = tmp_path / "here"
    here.mkdir()
    with serving(store, "127.0.0.1", port):
        tracker = Tracker(Store(uri=f"http://127.0.0.1:{port}", experiment="away"))
        with tracker.start("run", {}) as run:
            run.log(Artifact(note, "texts"))
        run_info = tracker.client.get_run(run.id).info
        assert run_info.artifact_uri.startswith("mlflow-artifacts:")
        note.unlink()
        monkeypatch.setattr(tempfile, "tempdir", str(here))
        with tracker.artifact(run.id, "texts/note.txt") as file:
            assert file.read_text() == "hello"
            assert here in file.parents
        with tracker.artifact(run.id, "texts") as folder:
            assert [path.name for path in folder.iterdir()] == ["note.txt"]
        missing = pytest.raises(UserError, match=r"none\.txt of the run run .* cannot be used")
        with missing, tracker.artifact(run.id, "none.txt"):
            pass
    assert not [*here.iterdir()]
    assert "View run" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("header too small"), UserError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (MemoryError(), MemoryError),
    ],
)
def test_for_what_this_machine_lacks_no_artifact_is_blamed(
    store: Store, tmp_path: Path, error: Exception, told: type[Exception]
) -> None:
    tracker, note = Tracker(store), tmp_path / "note.txt"
    note.write_text("hello")
    with tracker.start("run", {}) as run:
        run.log(Artifact(note))
    with pytest.raises(told), tracker.artifact(run.id, "note.txt"):
        raise error
