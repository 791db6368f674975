"""Folders: every file below is an image, or is left out for a reason; none stops the others."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.data.cache import cache_folder
from benchmark.data.eda import write_exploration
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.sources import folder_source
from tests.data.images import png, write_tree
from tests.data.trees import FLAT, findings, labels, left_out

linux = pytest.mark.skipif(sys.platform != "linux", reason="there are no such files")


def test_hidden_files_and_documents_are_passed_over(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    write_tree(tmp_path / "__MACOSX", {"abra": 9, "zubat": 9})
    write_tree(tmp_path / ".thumbnails", {"abra": 9, "zubat": 9})
    write_tree(tmp_path, {"$RECYCLE.BIN/S-1": 2, "abra/@eaDir/000.png": 1})
    for name in ("abra/.DS_Store", "abra/._000.png", "abra/README.md", "cubone/boxes.CSV"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "cover.png").write_bytes(png("cover"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.txt").write_text("none")
    (tmp_path / "abra" / ".kept.png").write_bytes(png("kept"))
    source = folder_source(tmp_path)
    assert labels(source.files) == FLAT
    assert left_out(source) == {
        "$RECYCLE.BIN": "a system's folder, with 2 images",
        ".thumbnails": "a hidden folder, with 18 images",
        "__MACOSX": "a hidden folder, with 18 images",
        "abra/.kept.png": "a hidden file",
        "abra/@eaDir": "a system's folder, with 1 image",
        "cover.png": "in no class folder",
    }


def test_files_with_strange_endings_are_kept(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    for name in ("a", "b.asp", "c.jpg')", "d.jpg~c200", "e.JPG"):
        (tmp_path / "abra" / name).write_bytes(png(name))
    assert labels(folder_source(tmp_path).files) == FLAT | {"abra": 3 + 5}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    folder = os.fsencode(tmp_path) + b"/Nidoran\xe9"
    os.mkdir(folder)  # noqa: PTH102  # pathlib takes no bytes
    Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(png("other"))
    (file,) = (file for file in folder_source(tmp_path).files if file.label not in FLAT)
    assert (file.label, file.name) == ("Nidoran\\xe9", "Nidoran\\xe9/\\xff.png")
    assert file.path.read_bytes() == png("other")


def test_links_are_followed_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "elsewhere", {"zubat": 2})
    write_tree(tmp_path / "data", FLAT)
    (tmp_path / "data" / "zubat").symlink_to(tmp_path / "elsewhere" / "zubat")
    for name in ("loop", "again"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "data")
    (tmp_path / "data" / "itself").symlink_to(tmp_path / "data" / "itself")
    (tmp_path / "data" / "abra" / "gone.png").symlink_to(tmp_path / "gone.png")
    source = folder_source(tmp_path / "data")
    assert labels(source.files) == FLAT | {"zubat": 2}
    again = "a link to a folder that is read already"
    broken = "a broken link"
    assert left_out(source) == {
        "abra/gone.png": broken,
        "again": again,
        "itself": broken,
        "loop": again,
    }


def test_linked_data_set_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path / "elsewhere", FLAT)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    assert labels(folder_source(tmp_path / "data").files) == FLAT


def test_linked_class_does_not_take_the_place_of_the_real_one(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    (tmp_path / "aaa").symlink_to(tmp_path / "abra")
    assert labels(folder_source(tmp_path).files) == FLAT


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A class with files in it that are none."""
    folder = write_tree(tmp_path / "odd", FLAT)
    os.mkfifo(folder / "abra" / "pipe.png")
    (folder / "abra" / "zero.png").symlink_to("/dev/zero")
    (folder / "abra" / "memory.png").symlink_to("/proc/self/mem")
    (folder / "abra" / "messages").symlink_to("/proc/kmsg")
    (folder / "abra" / "empty.png").write_bytes(b"")
    (folder / "abra" / "model.bin").write_bytes(b"weights" * 100)
    (folder / "abra" / "train.zip").write_bytes(b"PK")
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder / "abra")  # the name of a socket must be short
    server.bind("socket.png")
    os.chdir(here)
    yield folder
    server.close()


@linux
def test_what_is_no_plain_file_is_left_out_at_once(odd: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    data = prepare(folder_source(odd), image_size=16, seed=0, home=tmp_path / "home")
    assert time.monotonic() - started < 5
    assert len(data.samples) == 9
    reasons = {Path(entry.name).name: entry.reason for entry in data.left_out}
    assert reasons == {
        "pipe.png": "a pipe",
        "socket.png": "a socket",
        "zero.png": "a device",
        "memory.png": "it cannot be read: Input/output error",
        "messages": "not an image",
        "empty.png": "not an image",
        "model.bin": "not an image",
        "train.zip": "an archive; unpack it",
    }


@linux
def test_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "odd", FLAT)
    source = folder_source(folder)
    (folder / "abra" / "000.png").unlink()
    os.mkfifo(folder / "abra" / "000.png")
    (folder / "abra" / "001.png").unlink()
    data = prepare(source, image_size=16, seed=0, home=tmp_path)
    assert [(entry.name, entry.reason) for entry in data.left_out] == [
        ("abra/000.png", "not a plain file"),
        ("abra/001.png", "it cannot be read: No such file or directory"),
    ]


def test_what_may_not_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may read all, the system's calls are replaced."""
    folder = write_tree(tmp_path / "odd", FLAT | {"cubone/locked": 2, "mew": 2, "zubat": 3})
    locked = {str(folder / name) for name in ("cubone/locked", "mew", "abra/001.png")}
    scandir, os_open = os.scandir, os.open

    def guarded(path: Path) -> None:
        if str(path) in locked:
            raise PermissionError(13, "Permission denied")

    def guarded_scandir(path: Path) -> object:
        guarded(path)
        return scandir(path)

    def guarded_open(path: Path, *arguments: int, **options: int) -> int:
        guarded(path)
        return os_open(path, *arguments, **options)

    monkeypatch.setattr("os.scandir", guarded_scandir)
    monkeypatch.setattr("os.open", guarded_open)
    data = prepare(folder_source(folder), image_size=16, seed=0, home=tmp_path / "home")
    assert [(entry.name, entry.reason) for entry in data.left_out] == [
        ("cubone/locked", "a folder that cannot be read: Permission denied"),
        ("mew", "a folder that cannot be read: Permission denied"),
        ("abra/001.png", "it cannot be read: Permission denied"),
    ]
    assert len(data.samples) == 2 + 2 + 4 + 3
    assert [(one.kind, one.name) for one in data.findings] == [("no images", "mew")]


def test_what_we_write_never_becomes_a_class(tmp_path: Path, data: PreparedData) -> None:
    write_tree(tmp_path, FLAT)
    cache_folder(tmp_path / "home", "demo")
    write_tree(tmp_path / "home" / "demo", {"species/a": 3, "species/b": 3})
    run_id = "0123456789abcdef" * 2
    for root in ("mlartifacts/1", "mlruns/1", "artifacts-of-mine/1"):
        write_tree(tmp_path / root / run_id, {"artifacts/gallery": 2, "artifacts/more": 1})
    write_exploration(data, tmp_path / "eda")
    source = folder_source(tmp_path)
    assert labels(source.files) == FLAT
    ours = "written by bench or MLflow, with 3 images"
    picture = "a picture of bench data"
    assert left_out(source) == {
        "home/demo": "written by bench or MLflow, with 6 images",
        "mlartifacts": ours,
        "mlruns": ours,
        f"artifacts-of-mine/1/{run_id}": ours,
        "eda/class_distribution.png": picture,
        "eda/image_sizes.png": picture,
        "eda/classes.png": picture,
        "eda/classes.webp": picture,
    }
    assert findings(source) == []


def test_very_deep_folders_are_left_out(tmp_path: Path) -> None:
    folder = write_tree(tmp_path, FLAT) / "abra"
    for _ in range(70):
        folder = folder / "d"
    write_tree(folder.parent, {"d": 1})
    source = folder_source(tmp_path)
    assert labels(source.files) == FLAT
    assert list(left_out(source).values()) == ["more than 64 folders deep"]
