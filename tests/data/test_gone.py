"""Files that cannot be read for a while: told in a line, and nothing is kept without them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from benchmark.data.decode import Opened, Unreadable, open_picture
from benchmark.data.grouping import examine
from benchmark.data.identity import identify
from benchmark.data.prepared import prepare
from benchmark.data.sources import Source, folder_source
from registry.errors import UserError
from tests.data.images import png, write_tree
from tests.data.trees import FLAT


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return identify(folder_source(write_tree(tmp_path / "mine", FLAT)))


@pytest.mark.parametrize("step", ["look", "decode"])
def test_an_image_that_is_briefly_away_is_not_lost(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def images() -> int:
        if step == "look":
            return sum(look is not None for look in examine(source, tmp_path).looks)
        return len(prepare(source, image_size=16, seed=0, home=tmp_path).samples)

    os_open = os.open

    def failing(path: str, *arguments: int, **options: int) -> int:
        if str(path).endswith("cubone/001.png"):
            raise OSError(5, "Input/output error")
        return os_open(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("os.open", failing)
        with pytest.raises(UserError, match=r"cubone/001.png .*Input/output error.*--exclude"):
            images()
    assert images() == sum(FLAT.values())


def test_too_little_memory_is_no_damage_of_the_image(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(opened: Opened) -> None:
        raise MemoryError

    with pytest.raises(Unreadable, match="not enough memory"):
        open_picture(png("one"), short)

    def failing(image: Image.Image, mode: str | None = None) -> Image.Image:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "convert", failing)
        with pytest.raises(UserError, match="not enough memory"):
            prepare(source, image_size=16, seed=0, home=tmp_path)
    data = prepare(source, image_size=16, seed=0, home=tmp_path)
    assert len(data.samples) == sum(FLAT.values())
