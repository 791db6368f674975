"""What a run has when its store is away is kept on disk, and sent once by whoever comes next."""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from PIL import Image

from benchmark.processes.identity import this_process
from benchmark.tracking.items import Artifact, Banner, LoggedImage, Metric, Param, Tag
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.pending import Pending
from benchmark.tracking.store import Store
from benchmark.tracking.tracked_run import ResultsKept, Skipped, TrackedRun
from benchmark.tracking.unsent import send_unsent, unsent_specs
from benchmark.tracking.writer import Tracker
from tests.tracking.away import Away

HOME = Path("home")
UNSENT = HOME / "unsent"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.tracking.patience.LIMIT_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


@pytest.fixture
def away(tracker: Tracker) -> Away:
    return Away(tracker)


def make(run: TrackedRun, workplace: Path) -> None:
    """Log something of each kind."""
    folder = workplace / "made"
    (folder / "inner").mkdir(parents=True, exist_ok=True)
    (folder / "inner" / "b.txt").write_text("inner")
    (folder / "a.txt").write_text("outer")
    dataset = Dataset("images", "d1g3st", "local", "here", profile="{}")
    run.log_inputs([DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    run.log(Param("lr", 0.1), Tag("weights_file", "kept"))
    run.log(
        *(Metric("loss", 1 / epoch, epoch) for epoch in range(1, 4)), Metric("none", float("nan"))
    )
    run.log(Artifact(folder / "a.txt"), Artifact(folder, "texts"))
    run.log(LoggedImage("explanation/Abra", Image.new("RGB", (8, 8))))
    run.log(Banner("texts/a.txt", "where it looked"))
    shutil.rmtree(folder)


def unsent() -> list[str]:
    return sorted(path.name for path in UNSENT.iterdir()) if UNSENT.exists() else []


def files(tracker: Tracker, run_id: str, folder: str | None = None) -> list[str]:
    found = []
    for entry in tracker.client.list_artifacts(run_id, folder):
        found += files(tracker, run_id, entry.path) if entry.is_dir else [entry.path]
    return found


def check_whole(tracker: Tracker, run_id: str) -> Run:
    """All that `make` logs is there, once."""
    run = tracker.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["completed"] == "true"
    assert run.data.tags["weights_file"] == "kept"
    assert run.data.params == {"lr": "0.1"}
    history = tracker.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert run.inputs is not None
    [of_data] = run.inputs.dataset_inputs
    assert (of_data.dataset.name, of_data.tags[0].value) == ("images", "train")
    paths = files(tracker, run_id)
    assert {"a.txt", "texts/a.txt", "texts/inner/b.txt"} < {*paths}
    pictures = [path for path in paths if path.startswith("images/explanation~Abra+step+0")]
    assert sorted(Path(path).suffix for path in pictures) == [".png", ".webp"]
    assert len(paths) == 5
    assert run.data.tags["mlflow.loggedImages"] == "True"
    assert run.data.tags["mlflow.note.content"].count("![where it looked]") == 1
    return run


def keep(tracker: Tracker, away: Away, workplace: Path) -> str:
    """Make a run whose store goes away after its start."""
    run = tracker.start("kept", {"spec_id": "x", "mlflow.note.content": "a note"})
    run.keep_in(HOME)
    away.begin()
    with pytest.raises(ResultsKept, match=f"its results are in {UNSENT / run.id}"), run:
        make(run, workplace)
    away.end()
    assert unsent() == [run.id]
    assert tracker.client.get_run(run.id).info.status == "RUNNING"
    return run.id


def test_the_next_start_sends_what_is_kept_and_says_so(
    tracker: Tracker, away: Away, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "benchmark")
    run_id = keep(tracker, away, workplace)
    [told] = caplog.messages
    assert told.startswith(f"the results of kept are kept in {UNSENT / run_id}: once the store")
    send_unsent(tracker, HOME)
    check_whole(tracker, run_id)
    assert unsent() == []
    assert caplog.messages[1:] == ["sent the results of 1 run that the store did not take: kept"]
    assert caplog.records[1].levelno == logging.INFO  # which is no warning: all is well
    send_unsent(tracker, HOME)
    assert len(caplog.messages) == 2


def test_a_store_that_is_back_before_the_end_gets_all_of_it_then(
    tracker: Tracker, away: Away, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tracker.start("one", {})
    run.keep_in(HOME)
    with run:
        away.begin()
        make(run, workplace)
        away.end()
    check_whole(tracker, run.id)
    assert unsent() == []
    assert not caplog.messages


SENDER = """
import os, sys
from pathlib import Path
from benchmark.tracking.store import Store
from benchmark.tracking.unsent import send_unsent
from benchmark.tracking.writer import Tracker
from tests.tracking.away import Away

tracker, left = Tracker(Store()), int(sys.argv[1])

def dying(call):
    def last(*args, **kwargs):
        global left
        answer = call(*args, **kwargs)
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return answer
    return last

for name in ("log_artifacts", "log_inputs", "log_batch", "set_tag", "set_terminated"):
    setattr(tracker.client, name, dying(getattr(tracker.client, name)))
Path.rename = dying(Path.rename)
send_unsent(tracker, Path("home"))
"""


@pytest.mark.parametrize("calls", [1, 4, 7])
def test_a_killed_sending_goes_on_with_nothing_doubled(
    tracker: Tracker, away: Away, workplace: Path, calls: int
) -> None:
    run_id = keep(tracker, away, workplace)
    sender = subprocess.run([sys.executable, "-c", SENDER, str(calls)], check=False)
    assert sender.returncode == -signal.SIGKILL
    assert unsent()[0].startswith(f"{run_id}~")
    send_unsent(tracker, HOME)
    check_whole(tracker, run_id)
    assert unsent() == []


def test_what_another_process_sends_is_left_to_it(
    tracker: Tracker, away: Away, workplace: Path
) -> None:
    run_id = keep(tracker, away, workplace)
    theirs = UNSENT / f"{run_id}~{this_process()}.sending"
    (UNSENT / run_id).rename(theirs)
    send_unsent(tracker, HOME)
    assert unsent() == [theirs.name]
    assert tracker.client.get_run(run_id).info.status == "RUNNING"


def test_what_another_machine_has_left_is_told_and_not_promised(
    tracker: Tracker, away: Away, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = keep(tracker, away, workplace)
    assert [*unsent_specs(tracker, HOME)] == ["x"]
    theirs = UNSENT / f"{run_id}~{replace(this_process(), host='elsewhere')}.sending"
    (UNSENT / run_id).rename(theirs)
    caplog.clear()
    assert [*unsent_specs(tracker, HOME)] == []
    send_unsent(tracker, HOME)
    assert unsent() == [theirs.name]
    [told] = caplog.messages
    assert told.startswith(f"{theirs} was being sent by a process on elsewhere: if that is dead")
    assert told.endswith(f"rename it to {run_id}")
    send_unsent(tracker, HOME, warns=False)
    assert len(caplog.messages) == 1
    theirs.rename(UNSENT / run_id)
    send_unsent(tracker, HOME)
    check_whole(tracker, run_id)


def test_what_belongs_to_another_store_stays(
    tracker: Tracker,
    away: Away,
    workplace: Path,
    empty_database: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_id = keep(tracker, away, workplace)
    caplog.clear()
    shutil.copy(empty_database, workplace / "other.db")
    send_unsent(Tracker(Store(uri=f"sqlite:///{workplace}/other.db")), HOME)
    assert unsent() == [run_id]
    assert not caplog.messages


def test_what_cannot_be_read_stays_and_is_told(
    tracker: Tracker, away: Away, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = keep(tracker, away, workplace)
    (UNSENT / run_id / "record.json").write_text("{")
    caplog.clear()
    send_unsent(tracker, HOME)
    assert unsent() == [run_id]
    [told] = caplog.messages
    assert told.startswith(f"{UNSENT / run_id} cannot be sent to MLflow: JSONDecodeError")


def test_half_of_a_run_is_never_sent(tracker: Tracker) -> None:
    run = tracker.start("half", {})
    dead = replace(this_process(), started=1)
    Pending(run_id=run.id, name="half").save(UNSENT / f"{run.id}~{dead}.partial")
    send_unsent(tracker, HOME)
    assert unsent() == []
    assert tracker.client.get_run(run.id).info.status == "RUNNING"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("by zero"), "FAILED"), (Skipped("no weights"), "KILLED")],
)
def test_how_a_run_failed_is_kept_too(
    tracker: Tracker, away: Away, workplace: Path, error: Exception, status: str
) -> None:
    run = tracker.start("bad", {"spec_id": "x"})
    run.keep_in(HOME)
    away.begin()
    with pytest.raises(type(error)), run:
        raise error
    away.end()
    send_unsent(tracker, HOME)
    found = tracker.client.get_run(run.id)
    assert found.info.status == status
    assert "completed" not in found.data.tags
    if status == "FAILED":
        assert files(tracker, run.id) == ["traceback.txt"]
        assert "by zero" in found.data.tags["error"]
    else:
        assert found.data.tags["skipped"] == "no weights"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreAway("cannot read the weights")])
def test_of_a_run_that_was_not_made_nothing_is_kept(
    tracker: Tracker, away: Away, workplace: Path, error: BaseException
) -> None:
    run = tracker.start("stopped", {})
    run.keep_in(HOME)
    away.begin()
    make(run, workplace)
    assert len(unsent()) == 1
    with pytest.raises(type(error)), run:
        raise error
    away.end()
    assert unsent() == []
