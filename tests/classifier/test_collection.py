"""What users name, zips and globs among it, is a list of files of pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from benchmark.classifier.collection import collect
from registry import UserError


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, zips that are sound and are not, and a document."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        Image.new("RGB", (8, 8), "red").save(folder / name)
    for name in ("Abra.zip", "report.docx"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.write(folder / "a.png", "loose.png")
            archive.write(folder / "a.png", "Mew/one.png")
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        pass
    content = bytearray((folder / "Abra.zip").read_bytes())
    content[60:90] = bytes(30)
    (folder / "damaged.zip").write_bytes(content)
    return folder


def test_a_bad_zip_and_a_document_take_nothing_from_what_else_matches(downloads: Path) -> None:
    found = collect(["downloads/*"], downloads.parent / "home")
    assert [one.name for one in found.files] == [
        *("downloads/a.png", "downloads/Abra.zip/loose.png"),
        *("downloads/Abra.zip/Mew/one.png", "downloads/b.png"),
    ]
    told = {Path(one.name).name: one.reason for one in found.left_out}
    assert told.keys() == {"damaged.zip", "empty.zip", "report.docx"}
    assert told["damaged.zip"].startswith("cannot be unpacked (")
    assert told["empty.zip"].startswith("cannot be unpacked (it is empty); get it again")
    assert told["report.docx"] == "not an image"
    assert len(collect(["downloads/report.docx"], downloads.parent / "home").files) == 2
    with pytest.raises(UserError, match=r"empty\.zip, cannot be unpacked \(it is empty\)"):
        collect(["downloads/empty.zip"], downloads.parent / "home")


def test_a_loose_picture_of_a_zip_lies_in_a_folder_of_the_zips_name(downloads: Path) -> None:
    found = collect(["downloads/Abra.zip"], downloads.parent / "home").files
    assert [one.folders for one in found] == [("Abra",), ("Abra", "Mew")]
    spelled = {"abra": "Abra", "files": "files"}
    assert [one.label(spelled) for one in found] == ["Abra", "Abra"]


def test_a_file_that_is_named_twice_stands_where_it_is_named_first(downloads: Path) -> None:
    named = ["downloads/b.png", "downloads/a.png", str(downloads / "b.png")]
    found = collect(named, downloads.parent / "home").files
    assert [one.name for one in found] == named[:2]
