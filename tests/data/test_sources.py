"""Sources: whatever tree of images people have, its files come out with their classes and parts."""

import os
import shutil
import sys
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from benchmark.data.demo import DemoSpec, species_names, write_demo
from benchmark.data.sources import ImageFile, Source, demo_source, find_images, open_source
from benchmark.study.config import Config, DataConfig, DemoConfig
from tests.data.images import png, write_tree

FLAT = {"abra": 3, "bulbasaur": 2, "cubone": 4}
DIVIDED = {f"{split}/{name}": 2 for split in ("train", "val", "test") for name in ("abra", "zubat")}


def opened(source: Path | str, home: Path, **selection: int) -> Source:
    return open_source(Config(data=DataConfig(source=str(source), **selection)), home)


def zipped(folder: Path, archive: Path) -> Path:
    return Path(shutil.make_archive(str(archive.with_suffix("")), "zip", folder))


def labels(files: list[ImageFile] | tuple[ImageFile, ...]) -> dict[str, int]:
    return dict(Counter(file.label for file in files))


def parts(files: list[ImageFile]) -> set[tuple[str, str | None]]:
    return {(file.name.split("/")[0], file.split) for file in files}


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    files = find_images(write_tree(tmp_path, FLAT))
    assert labels(files) == FLAT
    assert [file.name for file in files][:4] == [
        "abra/000.png",
        "abra/001.png",
        "abra/002.png",
        "bulbasaur/000.png",
    ]
    assert {file.split for file in files} == {None}
    assert all(file.path == tmp_path / file.name and file.path.is_file() for file in files)


def test_divided_tree_gives_each_file_its_part(tmp_path: Path) -> None:
    files = find_images(write_tree(tmp_path, DIVIDED))
    assert labels(files) == {"abra": 6, "zubat": 6}
    assert parts(files) == {("train", "train"), ("val", "val"), ("test", "test")}
    assert files[0].name == "test/abra/000.png"


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Training", "Validation", "Testing"), ("train", "val", "test")),
        (("train", "valid", "test"), ("train", "val", "test")),
        (("train", "test"), ("train", "test")),
        # Without a test part, what was held out for validation is the test.
        (("train", "val"), ("train", "test")),
    ],
)
def test_parts_have_many_names(
    tmp_path: Path, folders: tuple[str, ...], splits: tuple[str, ...]
) -> None:
    counts = {f"{folder}/{name}": 2 for folder in folders for name in ("abra", "zubat")}
    files = find_images(write_tree(tmp_path, counts))
    assert parts(files) == set(zip(folders, splits, strict=True))
    assert labels(files) == {"abra": 2 * len(folders), "zubat": 2 * len(folders)}


def test_unlabelled_test_images_leave_the_train_folder_as_the_data_set(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train/abra": 3, "train/zubat": 3, "test": 5})
    files = find_images(tmp_path)
    assert labels(files) == {"abra": 3, "zubat": 3}
    assert {file.split for file in files} == {None}


def test_class_may_be_called_like_a_part(tmp_path: Path) -> None:
    files = find_images(write_tree(tmp_path, {"test": 3, "train": 3, "exam": 2}))
    assert labels(files) == {"test": 3, "train": 3, "exam": 2}
    assert {file.split for file in files} == {None}


def test_class_called_test_lies_in_each_part(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 2 for split in ("train", "test") for name in ("test", "exam")}
    files = find_images(write_tree(tmp_path, counts))
    assert labels(files) == {"test": 4, "exam": 4}
    assert parts(files) == {("train", "train"), ("test", "test")}


@pytest.mark.parametrize("counts", [FLAT, DIVIDED], ids=["flat", "divided"])
def test_tree_may_lie_deep_inside_a_download(tmp_path: Path, counts: dict[str, int]) -> None:
    write_tree(tmp_path / "download" / "archive (1)" / "images", counts)
    write_tree(tmp_path / "plain", counts)
    (tmp_path / "download" / "licence.txt").write_text("free")
    deep = find_images(tmp_path / "download")
    assert [(f.name, f.label, f.split) for f in deep] == [
        (f.name, f.label, f.split) for f in find_images(tmp_path / "plain")
    ]


def test_stray_folders_do_not_hide_the_classes(tmp_path: Path) -> None:
    write_tree(tmp_path, {"abra": 20, "zubat": 20})
    write_tree(tmp_path / "results", {"run1": 1, "run2": 1, "run3": 1})
    assert labels(find_images(tmp_path)) == {"abra": 20, "zubat": 20}


def test_stray_folders_beside_the_parts_are_no_classes(tmp_path: Path) -> None:
    write_tree(tmp_path, DIVIDED | {"samples": 3, "figures": 3})
    assert labels(find_images(tmp_path)) == {"abra": 6, "zubat": 6}


def test_hidden_files_and_documents_are_passed_over(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    write_tree(tmp_path / "__MACOSX", {"abra": 9, "zubat": 9})
    write_tree(tmp_path / ".thumbnails", {"abra": 9, "zubat": 9})
    for name in ("abra/.DS_Store", "abra/._000.png", "abra/README.md", "cubone/boxes.CSV"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "cover.png").write_bytes(png("cover"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "notes.txt").write_text("none")
    assert labels(find_images(tmp_path)) == FLAT


def test_files_with_strange_endings_are_kept(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    for name in ("a", "b.asp", "c.jpg')", "d.jpg~c200", "e.JPG"):
        (tmp_path / "abra" / name).write_bytes(png(name))
    assert labels(find_images(tmp_path)) == FLAT | {"abra": 3 + 5}


def test_class_names_may_hold_any_character(tmp_path: Path) -> None:
    names = ["Farfetch'd", "Mr. Mime", "Nidoran♀", "日本", "a=b;c,[d] $x$", "-x"]
    files = find_images(write_tree(tmp_path, dict.fromkeys(names, 2)))
    assert labels(files) == dict.fromkeys(names, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    folder = os.fsencode(tmp_path) + b"/Nidoran\xe9"
    os.mkdir(folder)  # noqa: PTH102  # pathlib takes no bytes
    Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(png("other"))
    (file,) = (file for file in find_images(tmp_path) if file.label not in FLAT)
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
    assert labels(find_images(tmp_path / "data")) == FLAT | {"zubat": 2}


def test_linked_data_set_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path / "elsewhere", FLAT)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    assert labels(find_images(tmp_path / "data")) == FLAT


@pytest.mark.parametrize("counts", [{}, {"abra": 3}, {"train/abra": 3, "test/abra": 3}])
def test_folder_without_classes_says_how_to_lay_them_out(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    write_tree(tmp_path, counts)
    (tmp_path / "image.png").write_bytes(png("image"))
    with pytest.raises(ValueError, match=r"no class folders; put .*/CLASS/IMAGE.jpg, or train/"):
        find_images(tmp_path)


def test_source_is_called_like_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "monsters", FLAT)
    monkeypatch.chdir(tmp_path / "monsters")
    source = opened(".", tmp_path)
    assert source.name == "monsters"
    assert labels(source.files) == FLAT


@pytest.mark.parametrize("name", ["gone", "gone.zip", "file.jpg"])
def test_missing_source_says_what_to_type(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.jpg").write_bytes(png("file"))
    with pytest.raises(ValueError, match=r"no folder or zip .*--data DIR, --data FILE.zip") as info:
        opened(tmp_path / name, tmp_path)
    assert name in str(info.value)


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
    def interrupted(self: zipfile.ZipFile, path: Path) -> None:
        self.extract(self.namelist()[0], path)
        raise KeyboardInterrupt

    archive = zipped(write_tree(tmp_path / "monsters", FLAT), tmp_path / "archive.zip")
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(archive, tmp_path / "home")
    assert not list((tmp_path / "home" / "unpacked").iterdir())
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
    with pytest.raises(ValueError, match=r"archive.zip cannot be unpacked .*--data DIR"):
        opened(archive, tmp_path / "home")
    assert not list((tmp_path / "home" / "unpacked").iterdir())


def test_selection_takes_classes_and_images_evenly(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"class{i}": 9 for i in range(6)})
    source = opened(tmp_path, tmp_path, classes=3, images_per_class=3)
    assert labels(source.files) == {"class0": 3, "class2": 3, "class4": 3}
    assert [file.path.stem for file in source.files] == ["000", "003", "006"] * 3
    assert opened(tmp_path, tmp_path, classes=3, images_per_class=3) == source


def test_selection_of_more_than_there_is_takes_all(tmp_path: Path) -> None:
    write_tree(tmp_path, FLAT)
    everything = opened(tmp_path, tmp_path)
    assert labels(everything.files) == FLAT
    assert opened(tmp_path, tmp_path, classes=99, images_per_class=99) == everything


def test_selection_from_a_divided_tree_takes_from_each_part(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 6 for split in ("train", "val", "test") for name in "ab"}
    source = opened(write_tree(tmp_path, counts), tmp_path, images_per_class=6)
    assert Counter((file.label, file.split) for file in source.files) == {
        (name, split): 2 for name in "ab" for split in ("train", "val", "test")
    }


def test_control_characters_in_names_are_escaped(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "a\x1b[31m", {"new\nline": 3, "rtl\u202e": 3, "[bold]日本": 3})
    source = opened(folder, tmp_path)
    assert source.name == "a\\x1b[31m"
    assert labels(source.files) == {"[bold]日本": 3, "new\\nline": 3, "rtl\\u202e": 3}
    assert all(file.path.is_file() for file in source.files)


def test_demo_is_generated_once(tmp_path: Path) -> None:
    config = Config(demo=DemoConfig(species=3, images_per_species=3))
    source = open_source(config, tmp_path)
    assert source.name == "demo"
    assert labels(source.files) == dict.fromkeys(species_names(DemoSpec(species=3)), 3)
    with Image.open(source.files[0].path) as image:
        assert image.width >= 100
    written = source.files[0].path.stat().st_mtime_ns
    assert open_source(config, tmp_path) == source
    assert source.files[0].path.stat().st_mtime_ns == written


def test_interrupted_demo_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(spec: DemoSpec, folder: Path) -> None:
        write_demo(spec, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.data.sources.write_demo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo_source(DemoSpec(species=2, images_per_species=3), DataConfig(), tmp_path)
    assert not list((tmp_path / "demo").iterdir())


def test_kaggle_without_its_package_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ValueError, match="type: uv sync --extra kaggle"):
        opened("kaggle:someone/monsters", tmp_path)


def test_kaggle_data_set_is_downloaded_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path / "someone" / "monsters" / "PokemonData", FLAT)
    kagglehub = ModuleType("kagglehub")
    monkeypatch.setattr(
        kagglehub, "dataset_download", lambda name: str(tmp_path / name), raising=False
    )
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    source = opened("kaggle:someone/monsters", tmp_path)
    assert source.name == "kaggle:someone/monsters"
    assert labels(source.files) == FLAT


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError("403 Forbidden\nlong advice"), r"\(403 Forbidden\)"), (TimeoutError(), "Timeout")],
)
def test_kaggle_that_cannot_be_reached_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def dataset_download(name: str) -> str:
        raise error

    kagglehub = ModuleType("kagglehub")
    monkeypatch.setattr(kagglehub, "dataset_download", dataset_download, raising=False)
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    with pytest.raises(ValueError, match=rf"'someone/gone' .*{reason}.*--data FILE.zip"):
        opened("kaggle:someone/gone", tmp_path)
