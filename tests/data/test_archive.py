"""Zips: as people have them, all of it or nothing, and nothing outside the folder."""

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmark.data.archive import MAX_NESTED
from registry.errors import UserError
from tests.data.images import png, write_tree
from tests.data.trees import DIVIDED, FLAT, findings, labels, left_out, opened


def zipped(folder: Path, archive: Path) -> Path:
    return Path(shutil.make_archive(str(archive.with_suffix("")), "zip", folder))


class Member(zipfile.ZipInfo):
    """A member whose name is written as another program would."""

    def __init__(self, name: str, encoding: str | None = None) -> None:
        super().__init__("x")
        self.filename = name
        self.encoding = encoding

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  # zipfile's
        if self.encoding:
            return self.filename.encode(self.encoding), 0
        return super()._encodeFilenameFlags()  # type: ignore[misc,no-any-return]


def written(archive: Path, members: Mapping[str, bytes], *, encoding: str | None = None) -> Path:
    """A zip of these names and contents; of an encoding that is named, nothing is told in it."""
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members.items():
            file.writestr(Member(name, encoding), content)
    return archive


def images(*classes: str, count: int = 3, slash: str = "/") -> dict[str, bytes]:
    names = [f"{name}{slash}{index:03}.png" for name in classes for index in range(count)]
    return {name: png(name) for name in names}


def unpacked(tmp_path: Path) -> list[str]:
    """What is kept of zips."""
    folder = tmp_path / "home" / "unpacked"
    return [path.name for path in folder.iterdir() if path.name != "CACHEDIR.TAG"]


@pytest.mark.parametrize("counts", [FLAT, DIVIDED], ids=["flat", "divided"])
def test_zip_gives_what_its_folder_gives(tmp_path: Path, counts: dict[str, int]) -> None:
    folder = write_tree(tmp_path / "monsters", counts)
    archive = zipped(folder, tmp_path / "archive.zip")
    source = opened(archive, tmp_path / "home")
    assert source.name == "archive"
    assert [(f.name, f.label, f.split) for f in source.files] == [
        (f.name, f.label, f.split) for f in opened(folder, tmp_path).files
    ]


def test_zip_is_unpacked_once(tmp_path: Path) -> None:
    archive = zipped(write_tree(tmp_path / "monsters", FLAT), tmp_path / "archive.zip")
    first = opened(archive, tmp_path / "home").files
    unpacked = first[0].path
    unpacked.write_bytes(b"touched")
    assert opened(archive, tmp_path / "home").files == first
    assert unpacked.read_bytes() == b"touched"


def test_interrupted_unpacking_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    archive = zipped(write_tree(tmp_path / "monsters", FLAT), tmp_path / "archive.zip")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(archive, tmp_path / "home")
    assert unpacked(tmp_path) == []
    assert labels(opened(archive, tmp_path / "home").files) == FLAT


def test_other_zip_of_the_same_name_is_not_confused(tmp_path: Path) -> None:
    archive = zipped(write_tree(tmp_path / "a", FLAT), tmp_path / "archive.zip")
    assert labels(opened(archive, tmp_path / "home").files) == FLAT
    zipped(write_tree(tmp_path / "b", {"x": 1, "y": 1}), archive)
    assert labels(opened(archive, tmp_path / "home").files) == {"x": 1, "y": 1}


def test_damaged_zip_is_a_clear_error(tmp_path: Path) -> None:
    archive = zipped(write_tree(tmp_path / "monsters", FLAT), tmp_path / "archive.zip")
    with zipfile.ZipFile(archive) as file:
        place = file.getinfo("cubone/000.png").header_offset + 60
    content = bytearray(archive.read_bytes())
    content[place : place + 8] = b"scratch!"
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"archive.zip cannot be unpacked .*name the folder"):
        opened(archive, tmp_path / "home")
    assert unpacked(tmp_path) == []


def test_backslashes_part_folders(tmp_path: Path) -> None:
    members = images(
        "set\\train\\cat", "set\\train\\dog", "set\\test\\cat", "set\\test\\dog", slash="\\"
    )
    source = opened(written(tmp_path / "w.zip", members), tmp_path / "home")
    assert labels(source.files) == {"cat": 6, "dog": 6}
    assert {file.split for file in source.files} == {"train", "test"}


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("cp932", ("犬", "猫", "ネコ")),
        ("gbk", ("狗", "猫", "向日葵")),
        ("cp949", ("강아지", "고양이")),
        ("big5", ("貓咪", "向日葵", "飛機")),
        ("cp866", ("Кошка", "Собака")),
        ("cp1251", ("Кошка", "Собака")),
        ("cp437", ("Gänse", "Flabébé")),
        ("cp1252", ("São", "Ñandú", "Gänse")),
    ],
)
def test_names_without_an_encoding_are_read_as_the_likeliest_words(
    tmp_path: Path, encoding: str, classes: tuple[str, ...]
) -> None:
    archive = written(tmp_path / "w.zip", images(*classes), encoding=encoding)
    source = opened(archive, tmp_path / "home")
    assert labels(source.files) == dict.fromkeys(classes, 3)
    (finding,) = source.findings
    assert (finding.kind, finding.name) == ("names in a zip", "w.zip")
    assert f"read as {encoding}" in finding.detail
    assert opened(archive, tmp_path / "home") == source  # told again, without unpacking


def test_utf8_without_its_flag_needs_no_guess(tmp_path: Path) -> None:
    archive = written(tmp_path / "w.zip", images("猫", "Müll"), encoding="utf-8")
    source = opened(archive, tmp_path / "home")
    assert labels(source.files) == {"猫": 3, "Müll": 3}
    assert source.findings == ()


def test_name_in_an_extra_field_is_the_name(tmp_path: Path) -> None:
    archive = tmp_path / "w.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in images("猫", "dog").items():
            field = struct.pack("<BI", 1, zlib.crc32(name.encode("cp932"))) + name.encode()
            member = Member(name, "cp932")
            member.extra = struct.pack("<HH", 0x7075, len(field)) + field
            file.writestr(member, content)
    source = opened(archive, tmp_path / "home")
    assert labels(source.files) == {"猫": 3, "dog": 3}
    assert source.findings == ()


def test_zips_in_a_zip_are_unpacked(tmp_path: Path) -> None:
    for part in ("train", "test"):
        written(tmp_path / f"{part}.zip", images("cat", "dog", count=2))
    inner = {
        f"data/{part}.zip": (tmp_path / f"{part}.zip").read_bytes() for part in ("train", "test")
    }
    source = opened(written(tmp_path / "outer.zip", inner), tmp_path / "home")
    assert {(file.split, file.label) for file in source.files} == {
        (split, label) for split in ("train", "test") for label in ("cat", "dog")
    }
    assert source.left_out == ()


def test_zips_within_each_other_have_an_end(tmp_path: Path) -> None:
    content = written(tmp_path / "x.zip", images("a", "b")).read_bytes()
    for _ in range(MAX_NESTED + 1):
        content = written(tmp_path / "x.zip", {"x.zip": content}).read_bytes()
    with pytest.raises(UserError, match=r"x.zip has no class folders.*zips within each other"):
        opened(tmp_path / "x.zip", tmp_path / "home")


def test_errors_name_the_zip_and_no_inner_path(tmp_path: Path) -> None:
    archive = written(tmp_path / "w.zip", {"a/1.png": png("1"), "notes.txt": b""})
    with pytest.raises(UserError, match=r"^\S*w.zip has no class folders") as info:
        opened(archive, tmp_path / "home")
    assert "unpacked" not in str(info.value)


def test_members_without_a_place_of_their_own_are_left_out(tmp_path: Path) -> None:
    members = {
        **images("cat", "dog"),
        "../out.png": png("out"),
        "cat/../../out.png": png("out"),
        "cow": b"a file",
        "cow/000.png": png("cow"),
        "dog/000.png/more.png": png("more"),
        f"cat/{'n' * 300}.png": png("long"),
        "/bee/000.png": png("bee"),
        "C:\\bee\\001.png": png("bee1"),
    }
    archive = written(tmp_path / "w.zip", members)
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("cat/001.png", png("twice"))
    source = opened(archive, tmp_path / "home")
    assert labels(source.files) == {"bee": 2, "cat": 3, "dog": 3}
    taken = "another file or folder has its name"
    reasons = left_out(source)
    assert reasons.pop("cow") == "not an image"
    assert reasons.pop(f"cat/{'n' * 300}.png") == "its name is too long"
    assert reasons == {
        "../out.png": "its name leads out of the zip",
        "cat/../../out.png": "its name leads out of the zip",
        "cat/001.png": taken,
        "cat/link.png": "a link",
        "cow/000.png": taken,
        "dog/000.png/more.png": taken,
    }
    assert not (tmp_path / "home" / "out.png").exists()
    assert not list(tmp_path.rglob("out.png"))


def test_empty_and_encrypted_zips_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"e.zip cannot be unpacked \(it is empty\)"):
        opened(written(tmp_path / "e.zip", {}), tmp_path / "home")
    archive = written(tmp_path / "c.zip", images("cat", "dog"))
    content = archive.read_bytes()
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        pieces = content.split(signature)
        content = signature.join(
            piece if not number else piece[: place - 4] + b"\x01" + piece[place - 3 :]
            for number, piece in enumerate(pieces)
        )
    archive.write_bytes(content)
    with pytest.raises(
        UserError, match=r"c.zip cannot be unpacked \(it is encrypted\).*name the folder"
    ):
        opened(archive, tmp_path / "home")
    assert unpacked(tmp_path) == []


def test_bomb_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.archive.FREE_BYTES", 1_000_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("cat/1.bmp", "dog/1.bmp"):
            file.writestr(name, bytes(5_000_000))
    with pytest.raises(UserError, match="more than 100 times its size, as bombs do"):
        opened(archive, tmp_path / "home")
    assert unpacked(tmp_path) == []


def test_bomb_in_a_zip_in_the_zip_is_counted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.archive.FREE_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "inner.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cat/1.bmp", bytes(5_000_000))
    content = (tmp_path / "inner.zip").read_bytes()
    with pytest.raises(UserError, match="as bombs do"):
        opened(written(tmp_path / "w.zip", {"inner.zip": content}), tmp_path / "home")
    assert unpacked(tmp_path) == []


def test_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(write_tree(tmp_path / "monsters", FLAT), tmp_path / "archive.zip")
    with monkeypatch.context() as patch:
        usage = type(shutil.disk_usage(tmp_path))
        patch.setattr("shutil.disk_usage", lambda path: usage(1, 1, 1))
        with pytest.raises(UserError, match=r"it takes .* GB, and 0.0 are free"):
            opened(archive, tmp_path / "home")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(UserError, match="the disk is full"):
        opened(archive, tmp_path / "home")
    assert unpacked(tmp_path) == []


def test_empty_class_of_a_zip_is_told(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "monsters", {**FLAT, "empty": 0})
    source = opened(zipped(folder, tmp_path / "archive.zip"), tmp_path / "home")
    assert findings(source) == [("no images", "empty")]
