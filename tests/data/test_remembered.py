"""Code answers the same question once."""

import os
from pathlib import Path

import pytest

from benchmark.data import remembered as room
from benchmark.data.cache import without_writing
from benchmark.data.remembered import remembered
from registry.errors import UserError


class Asked:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, float]:
        self.times += 1
        return {"flops": 7.5}


def test_the_same_code_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = Asked()
    for _ in range(2):
        assert remembered(tmp_path, "cost", ("vit", 64), find) == {"flops": 7.5}
    assert find.times == 1
    remembered(tmp_path, "cost", ("vit", 32), find)
    remembered(tmp_path, "size", ("vit", 64), find)
    assert find.times == 3
    monkeypatch.setattr(room, "_code", lambda: "changed")
    remembered(tmp_path, "cost", ("vit", 64), find)
    assert find.times == 4


def test_an_answer_of_nothing_is_kept_and_an_error_is_not(tmp_path: Path) -> None:
    asked = []

    def find() -> None:
        asked.append("once")
        if len(asked) < 3:
            raise UserError("no such size")

    for _ in range(2):
        with pytest.raises(UserError):
            remembered(tmp_path, "size", 1, find)
    for _ in range(2):
        remembered(tmp_path, "size", 1, find)
    assert len(asked) == 3


@pytest.mark.parametrize("content", ["", "[", "[]", "{}", "[1, 2]", "7", 200_000 * "["])
def test_a_damaged_answer_is_found_anew(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    find = Asked()
    remembered(tmp_path, "cost", 1, find)
    (file,) = (tmp_path / "answers").glob("cost-*.json")
    file.write_text(content)
    assert remembered(tmp_path, "cost", 1, find) == {"flops": 7.5}
    assert find.times == 2
    assert f"{file.name} is damaged" in caplog.text


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path) -> None:
    find = Asked()
    remembered(tmp_path, "cost", 1, find)
    (file,) = (tmp_path / "answers").glob("cost-*.json")
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/full")
    else:
        file.mkdir()
    assert remembered(tmp_path, "cost", 1, find) == {"flops": 7.5}
    assert find.times == 2
    assert file.is_file()


def test_nothing_is_kept_where_nothing_is_yet_unless_it_is_asked_for(tmp_path: Path) -> None:
    find, home = Asked(), tmp_path / "home"
    for _ in range(2):
        remembered(home, "cost", 1, find)
    assert find.times == 2
    assert not home.exists()
    for _ in range(2):
        remembered(home, "cost", 1, find, makes_home=True)
    assert find.times == 3


def test_a_dry_run_knows_what_was_answered_and_keeps_nothing(tmp_path: Path) -> None:
    find, home = Asked(), tmp_path / "home"
    remembered(home, "cost", 1, find, makes_home=True)
    for times in (2, 3):
        with without_writing(home) as other:
            remembered(other, "cost", 1, find)
            remembered(other, "cost", 2, find)
        assert find.times == times
