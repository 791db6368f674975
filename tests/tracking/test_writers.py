"""Eight processes write to one store at once: no error, no lost run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import main
from benchmark.study.config import Config
from benchmark.tracking.claims import claim, end_dead_runs
from benchmark.tracking.database import connected
from benchmark.tracking.items import Artifact, LoggedImage, Metric, Param, Tag
from benchmark.tracking.ranks import write_ranks
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from tests.studies import run
from tests.test_cli import assert_one_line_error
from tests.tracking.away import Served
from tests.tracking.postgres import new_database, server

FORK = multiprocessing.get_context("fork")  # MLflow is loaded already: all are as fast
WRITERS = 8
RUNS = 2
EPOCHS = 10


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty one."""
    if request.param == "postgresql":
        address = new_database(request.getfixturevalue("postgres"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return Store()


def write(store: Store, all_there: Barrier, writer: int, folder: Path) -> None:
    all_there.wait(60)
    tracker = Tracker(store)
    end_dead_runs(tracker)
    for number in range(RUNS):
        spec_id = f"{writer}-{number}"
        run = claim(
            tracker,
            {"mlflow.runName": spec_id, "spec_id": spec_id},
            lambda spec_id=spec_id: tracker.find_completed({"spec_id": spec_id}),  # type: ignore[misc]
        )
        assert not isinstance(run, str)
        with run:
            run.log(Param("writer", writer), Tag("group", "x"), Artifact(folder / "note.txt"))
            run.log(LoggedImage("picture", Image.new("RGB", (8, 8))))
            for epoch in range(EPOCHS):
                run.log(Metric("loss", 1 / (1 + epoch), epoch))
                run.flush()


def test_eight_writers_of_a_new_store_lose_nothing(store: Store, workplace: Path) -> None:
    (workplace / "note.txt").write_text("hello")
    all_there = FORK.Barrier(WRITERS)
    processes = [
        FORK.Process(daemon=True, target=write, args=(store, all_there, writer, workplace))
        for writer in range(WRITERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    tracker = Tracker(store)
    found = tracker.search("tags.completed = 'true'")
    names = [f"{writer}-{number}" for writer in range(WRITERS) for number in range(RUNS)]
    assert sorted(str(run.info.run_name) for run in found) == names
    for one in found:
        assert one.info.status == "FINISHED"
        assert one.data.params == {"writer": str(one.info.run_name)[0]}
        history = tracker.client.get_metric_history(one.info.run_id, "loss")
        assert [point.step for point in history] == list(range(EPOCHS))
        there = {entry.path for entry in tracker.client.list_artifacts(one.info.run_id)}
        assert there == {"note.txt", "images"}


def begin(store: Store) -> None:
    with Tracker(store).start("one", {"rank": "001"}):
        pass


def tag_and_rank(store: Store, all_there: Barrier) -> None:
    tracker = Tracker(store)
    run_id = tracker.search("")[0].info.run_id
    for number in range(EPOCHS):
        all_there.wait(60)
        tracker.client.set_tag(run_id, f"tag {number}", "x")
        tracker.set_experiment_tags({f"tag {number}": "x"})
        write_ranks(tracker, {run_id: "" if number % 2 else "001"}, [[run_id]] * (number % 2))


def test_writers_that_say_the_same_of_a_run_do_not_clash(store: Store) -> None:
    first = FORK.Process(
        daemon=True, target=begin, args=(store,)
    )  # a fork would share its connections
    first.start()
    first.join(120)
    all_there = FORK.Barrier(WRITERS)
    processes = [
        FORK.Process(daemon=True, target=tag_and_rank, args=(store, all_there))
        for _ in range(WRITERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    tags = Tracker(store).search("")[0].data.tags
    assert {f"tag {number}" for number in range(EPOCHS)} <= {*tags}


def test_a_role_that_may_not_make_tables_is_told_in_one_line(
    postgres: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    address = new_database(postgres)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("bench@", "reader@"))
    result = CliRunner().invoke(main, ["run", "basic_cnn"])
    assert_one_line_error(result, "may not make tables", "GRANT CREATE ON SCHEMA public")
    with connected(Store(uri=address)) as opened:
        assert not opened.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).all()


def test_a_study_behind_a_server_with_postgresql(
    postgres: str, config: Config, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    served = Served(Store(uri=new_database(postgres)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.store.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", served.store.experiment)
    served.start()
    ended = run(config, "basic_cnn")
    assert {outcome.status for outcome in ended.values()} == {"completed"}
    shown = CliRunner().invoke(main, ["leaderboard"])
    assert "Basic CNN" in shown.output
    [made] = Tracker(served.store).search("tags.completed = 'true' and tags.kind = 'network'")
    assert str(made.info.artifact_uri).startswith("mlflow-artifacts:")
    served.stop()
