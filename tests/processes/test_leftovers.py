"""Files of processes that finish, fail, are killed, or meet."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmark.processes.leftovers import (
    remove_unfinished,
    rewriting,
    temporary_folder,
    unfinished,
)
from registry.errors import of_the_machine


def killed(code: str, *, folder: Path) -> None:
    """Run code in a process that then kills itself, with the folder for temporary files."""
    code += "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(folder)})
    assert ended.returncode == -signal.SIGKILL


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(target: Path) -> None:
    with unfinished(target) as file:
        file.write_text("ha")
        raise ZeroDivisionError


def test_what_is_finished_is_there_whole_and_what_fails_is_not(tmp_path: Path) -> None:
    with unfinished(tmp_path / "new" / "folder") as folder:
        folder.mkdir()
        (folder / "file").write_text("whole")
        assert not (tmp_path / "new" / "folder").exists()
    assert (tmp_path / "new" / "folder" / "file").read_text() == "whole"
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "new" / "other")
    assert names(tmp_path / "new") == ["folder"]


def test_a_full_disk_is_told_with_the_file_that_it_has_no_room_for(tmp_path: Path) -> None:
    with pytest.raises(OSError) as told, unfinished(tmp_path / "file"):
        Path("/dev/full").write_text("too much")
    message = f"No space left on device: {tmp_path / 'file'}; make room, then type the same again"
    assert str(of_the_machine(told.value)) == message


def test_of_a_copy_the_file_that_there_is_no_room_for_is_told(tmp_path: Path) -> None:
    def copy() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "source", None, "target")

    with pytest.raises(OSError) as told:
        copy()
    assert "on device: target; make room" in str(of_the_machine(told.value))
    with pytest.raises(OSError) as told, unfinished(tmp_path / "file"):
        copy()
    assert f"on device: {tmp_path / 'file'}; make room" in str(of_the_machine(told.value))


def test_the_old_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    file, link = tmp_path / "new" / "page.html", tmp_path / "link"
    link.symlink_to(file)
    with rewriting(file) as path:
        path.write_text("old")

    def half(path: Path) -> None:
        path.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), rewriting(link) as path:
        half(path)
    assert file.read_text() == "old"
    with rewriting(link) as path:
        path.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert names(file.parent) == ["page.html"]


def test_a_file_keeps_its_rights_and_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.touch()
    file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(file, 1234, 1234)
    before = file.stat()
    with rewriting(file) as path:
        assert path.stat().st_mode == before.st_mode  # from the beginning
        path.write_text("new")
    after = file.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
    assert file.read_text() == "new"


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    file = tmp_path / ("é" * 127)
    with rewriting(file) as path, unfinished(tmp_path / ("z" * 255)) as other:
        path.write_text("whole")
        other.write_text("too")
    assert [file.read_text(), (tmp_path / ("z" * 255)).read_text()] == ["whole", "too"]


def test_what_a_killed_process_left_beside_a_users_file_is_hidden_and_removed_by_the_next(
    tmp_path: Path,
) -> None:
    killed(
        "from pathlib import Path; from benchmark.processes.leftovers import rewriting\n"
        f"block = rewriting(Path({str(tmp_path / 'page')!r}))\n"
        "block.__enter__().write_text('half')",
        folder=tmp_path,
    )
    (left,) = names(tmp_path)
    assert left.startswith(".")
    with rewriting(tmp_path / "other") as path:
        path.write_text("whole")
    assert names(tmp_path) == ["other"]


def test_a_link_to_itself_is_replaced(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with rewriting(loop) as path:
        path.write_text("whole")
    assert loop.read_text() == "whole"


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    with rewriting(Path("/dev/null")) as path:
        path.write_text("gone")
    with pytest.raises(OSError) as told, rewriting(Path("/dev/full")) as path:
        path.write_text("too much")
    assert "on device: /dev/full; make room" in str(of_the_machine(told.value))
    assert Path("/dev/null").is_char_device()
    assert Path("/dev/full").is_char_device()


def test_what_another_process_has_finished_stays(tmp_path: Path) -> None:
    with unfinished(tmp_path / "file") as file:
        file.write_text("mine")
        (tmp_path / "file").write_text("theirs")
    assert (tmp_path / "file").read_text() == "theirs"
    (tmp_path / "file").unlink()
    with unfinished(tmp_path / "folder") as folder:
        folder.mkdir()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "theirs").touch()
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["theirs"]


def test_what_a_killed_process_left_is_removed_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    killed(
        "from pathlib import Path; from benchmark.processes.leftovers import unfinished\n"
        f"block = unfinished(Path({str(tmp_path / 'a.b~c')!r}))\n"
        "block.__enter__().mkdir()",
        folder=tmp_path,
    )
    (left,) = names(tmp_path)
    (tmp_path / f"{left}-journal").touch()  # of a database
    (tmp_path / "somebody's.partial").touch()
    with unfinished(tmp_path / "mine") as mine:
        mine.touch()
        remove_unfinished(tmp_path)
        assert names(tmp_path) == [mine.name, "somebody's.partial"]


def test_temporary_files_of_a_killed_process_are_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(
        "import tempfile; from benchmark.processes.leftovers import temporary_folder\n"
        "block = temporary_folder(); block.__enter__()\n"
        "kept = tempfile.TemporaryDirectory()",
        folder=tmp_path,
    )
    (left,) = names(tmp_path)
    (tmp_path / "bench-marks").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder():
        file = Path(tempfile.mkstemp()[1])
        assert os.environ["TMPDIR"] == str(file.parent)
        assert names(tmp_path) == sorted([file.parent.name, "bench-marks"])
        assert left != file.parent.name
    assert names(tmp_path) == ["bench-marks"]
    assert tempfile.gettempdir() == str(tmp_path)


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    with temporary_folder():
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"].endswith(f"torchinductor_{os.getuid()}")
