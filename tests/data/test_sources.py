"""Sources: a folder, a Kaggle data set and the demo give files; anything else says what to type."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from benchmark.commands.study_options import make_config
from benchmark.data.demo import DemoSpec, species_names, write_demo
from benchmark.data.sources import demo_source, open_source
from benchmark.study.config import Config, DataConfig, DemoConfig
from registry.errors import UserError
from tests.data.images import png, write_tree
from tests.data.trees import FLAT, labels, opened


def test_source_is_called_like_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "monsters", FLAT)
    monkeypatch.chdir(tmp_path / "monsters")
    source = opened(".", tmp_path)
    assert source.name == "monsters"
    assert labels(source.files) == FLAT


def test_a_folder_called_demo_is_not_taken_for_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_config("demo", None, ()).data.source == "demo"
    write_tree(tmp_path / "demo", FLAT)
    assert opened("./demo", tmp_path).name == "demo (a folder)"
    assert make_config(None, None, ()).data.source == "demo"
    with pytest.raises(UserError, match=r"type \./demo for the folder"):
        make_config("demo", None, ())


@pytest.mark.parametrize("name", ["gone", "gone.zip", "file.jpg"])
def test_missing_source_says_what_to_type(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.jpg").write_bytes(png("file"))
    with pytest.raises(
        ValueError, match=r"no folder or zip .*name images as DIR, FILE.zip"
    ) as info:
        opened(tmp_path / name, tmp_path)
    assert name in str(info.value)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/dev/zero", "'/dev/zero' is a device; name images as DIR"),
        ("/" + 5000 * "a", "cannot be read: File name too long; name images as DIR"),
        ("a\0b", "there is no folder or zip"),
    ],
)
def test_source_that_is_neither_folder_nor_file_is_refused(
    tmp_path: Path, place: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        opened(place, tmp_path)


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(UserError, match="is a pipe"):
        opened(tmp_path / "pipe.zip", tmp_path)


@pytest.mark.parametrize("kind", ["tar", "gztar", "xztar"])
def test_other_archives_are_named(tmp_path: Path, kind: str) -> None:
    folder = write_tree(tmp_path / "monsters", FLAT)
    archive = shutil.make_archive(str(tmp_path / "archive"), kind, folder)
    named = {"tar": "tar", "gztar": "gzip", "xztar": "xz"}[kind]
    with pytest.raises(UserError, match=f"is a {named} archive: unpack it; name images as DIR"):
        opened(archive, tmp_path)


def test_a_zip_without_its_end_is_told_from_another_file(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "monsters", FLAT)
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", folder))
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(UserError, match="is cut off or damaged: copy or download it again"):
        opened(str(archive), tmp_path)


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
    def interrupted(spec: DemoSpec, folder: Path, progress: Callable[[int, int], None]) -> None:
        write_demo(spec, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.data.sources.write_demo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo_source(DemoSpec(species=2, images_per_species=3), DataConfig(), tmp_path)
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["CACHEDIR.TAG"]


def test_kaggle_without_its_package_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ValueError, match="type: uv sync --inexact --extra kaggle"):
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
    with pytest.raises(ValueError, match=rf"'someone/gone' .*{reason}.*name that"):
        opened("kaggle:someone/gone", tmp_path)
