"""What is kept between commands, and was damaged, is made anew."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.cache import cache_folder, without_writing
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.selection import find_images, select_images
from benchmark.study.config import Config, DataConfig
from registry.errors import UserError
from tests.data.images import write_tree


def prepared(config: Config, home: Path) -> PreparedData:
    source = select_images(config, find_images(config, home))
    return prepare(source, image_size=16, seed=0, home=home)


def test_without_writing_any_size_tells_which_images_there_are(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "monsters", {"abra": 5, "zubat": 5})
    (folder / "abra/broken.png").write_bytes(b"broken")
    config, home = Config(data=DataConfig(source=str(folder))), tmp_path / "home"
    before = prepared(config, home)
    stored = sorted(home.rglob("*"))
    with without_writing(home) as other:
        source = select_images(config, find_images(config, other))
        decoded: list[int] = []
        for size in (16, 24, 32):
            data = prepare(
                source,
                image_size=size,
                seed=0,
                home=other,
                progress=lambda done, total: decoded.append(done),
            )
            assert (data.samples, data.left_out) == (before.samples, before.left_out)
    assert decoded == []
    assert sorted(home.rglob("*")) == stored


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(UserError, match=r"data is no folder; remove it, or set BENCH_HOME=DIR"):
        cache_folder(tmp_path, "data")


def test_a_place_where_nothing_can_be_made_is_told() -> None:
    with pytest.raises(UserError, match=r"cannot be made there; set BENCH_HOME=DIR"):
        cache_folder(Path("/proc/nothing"), "data")


@pytest.mark.parametrize("name", ["contents.json", "looks.json", "index.json", "images.npy"])
@pytest.mark.parametrize("damage", ["cut", "gone", "folder"])
def test_damaged_files_are_made_anew(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_tree(tmp_path / "monsters", {"abra": 5, "zubat": 5})
    archive = shutil.make_archive(str(tmp_path / "monsters"), "zip", folder)
    config, home = Config(data=DataConfig(source=archive)), tmp_path / "home"
    before = prepared(config, home)
    pixels = before.images.copy()
    (file,) = home.glob(f"*/*/{name}")
    content = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    with without_writing(home) as other:
        assert prepared(config, other).samples == before.samples
    after = prepared(config, home)
    assert f"{file.parent.name} is damaged" in caplog.text
    np.testing.assert_array_equal(after.images, pixels)
    assert after.samples == before.samples
    assert file.read_bytes() == content
    caplog.clear()
    prepared(config, home)
    assert not caplog.text
