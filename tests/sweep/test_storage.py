"""A sweep's storage is a journal or a database of Optuna's; what else a path names stays."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from click.testing import CliRunner
from optuna.storages import JournalStorage

from benchmark.cli import main
from benchmark.sweep.storage import RedisJournal, open_storage, study_states
from tests.test_cli import assert_one_line_error


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """With two studies."""
    path = tmp_path / "a.journal"
    for name in ("one", "two"):
        optuna.create_study(study_name=name, storage=open_storage(str(path), path))
    return path


def names(path: Path) -> list[str]:
    return [study.study_name for study in study_states(open_storage(str(path), path))]


def database(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE friends (name TEXT)")
    return path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"a list of friends\nthe last one without a line break",
        b"no line break at all",
        b'{"a": "document"}\n{"another": ',
        b"[1, 2]\n3",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"\0" * 100 + b"x",
        None,
    ],
)
def test_a_file_that_is_no_journal_stays_as_it_is(workplace: Path, content: bytes | None) -> None:
    file = workplace / "mine"
    if content is None:
        content = database(file)
    else:
        file.write_bytes(content)
    for arguments in (["--status"], ["trees", "--preset", "quick"]):
        result = CliRunner().invoke(main, ["sweep", *arguments, "--storage", "mine"])
        assert_one_line_error(result, "mine", "no Optuna journal")
        assert file.read_bytes() == content
    assert [path.name for path in workplace.iterdir() if path.name != "home"] == ["mine"]


def test_a_journal_with_another_programs_end_stays_as_it_is(journal: Path) -> None:
    content = journal.read_bytes() + b"my own notes"
    journal.write_bytes(content)
    with pytest.raises(ValueError, match="its end is no Optuna journal's"):
        open_storage(str(journal), journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("end", [b"{", b'{"op_code":4,"worker_id":"killed whi', b"\0\0\0", b""])
def test_an_unfinished_end_of_a_journal_is_cut_off(journal: Path, end: bytes) -> None:
    content = journal.read_bytes()
    journal.write_bytes(content + end)
    assert names(journal) == ["one", "two"]
    assert journal.read_bytes() == content


def test_a_long_unfinished_line_is_cut_off_also_if_it_is_the_first(journal: Path) -> None:
    content = journal.read_bytes()
    torn = b'{"op_code":4,"worker_id":"' + b"x" * 200_000
    journal.write_bytes(content + torn)
    assert names(journal) == ["one", "two"]
    journal.write_bytes(torn)
    assert names(journal) == []


def test_the_status_of_what_is_not_there_makes_nothing(workplace: Path) -> None:
    for place in ("new/a.journal", "sqlite:///new.db"):
        result = CliRunner().invoke(main, ["sweep", "--status", "--storage", place])
        assert_one_line_error(result, place, "no such file")
    assert not (workplace / "new").exists()
    assert not (workplace / "new.db").exists()


def test_a_database_of_another_program_gets_no_tables(
    workplace: Path, empty_database: Path
) -> None:
    shutil.copy(empty_database, workplace / "mlflow.db")
    database(workplace / "mine.db")
    for file in ("mlflow.db", "mine.db"):
        content = (workplace / file).read_bytes()
        with pytest.raises(ValueError, match="tables of another program"):
            open_storage(f"sqlite:///{file}", workplace / "default")
        assert (workplace / file).read_bytes() == content
    optuna.create_study(study_name="x", storage="sqlite:///optuna.db")
    storage = open_storage("sqlite:///optuna.db", workplace / "default")
    assert [study.study_name for study in study_states(storage)] == ["x"]


def test_a_password_of_a_storage_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"mysql://me:\*\*\*@127.0.0.1:9/db cannot be used"
    ) as told:
        open_storage("mysql://me:secret@127.0.0.1:9/db", tmp_path / "default")
    assert "secret" not in str(told.value)


class Redis:
    """As much of one as a journal needs, with what somebody else put there."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {":snapshot": b"pickled"}

    def get(self, name: str) -> Any:
        return self.held.get(name)

    def set(self, name: str, value: Any) -> None:
        self.held[name] = value

    def setnx(self, name: str, value: int) -> None:
        self.held.setdefault(name, value)

    def eval(self, script: str, keys: int, prefix: str, line: str) -> None:
        self.held[f"{prefix}:log_number"] += 1
        self.held[f"{prefix}:log:{self.held[f'{prefix}:log_number']}"] = line


def test_nothing_pickled_is_read_from_redis_nor_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = Redis()
    client = SimpleNamespace(Redis=SimpleNamespace(from_url=lambda url: redis))
    optunas = "optuna.storages.journal._redis"
    monkeypatch.setattr(f"{optunas}._imports", SimpleNamespace(check=lambda: None))
    monkeypatch.setattr(f"{optunas}.redis", client, raising=False)
    monkeypatch.setattr(pickle, "loads", lambda *some: 1 / 0)
    monkeypatch.setattr("optuna.storages.journal._storage.SNAPSHOT_INTERVAL", 2)
    for total in (4, 8):
        storage = JournalStorage(RedisJournal("redis://nowhere"))
        study = optuna.create_study(study_name="x", storage=storage, load_if_exists=True)
        study.optimize(lambda trial: 1.0, n_trials=4)
        assert len(study.trials) == total
    assert redis.held[":snapshot"] == b"pickled"
