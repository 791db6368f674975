"""Large pictures: as many at once as take no more memory than the largest, and none for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from benchmark.data import large
from benchmark.data.decode import Opened, open_picture, reading
from tests.data.images import png

SIDES = (40, 40, 50, 40, 10, 40, 40, 50)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """For 2,500 pixels at once; 100 are many."""
    monkeypatch.setattr(large, "LARGE_PIXELS", 100)
    monkeypatch.setattr(large, "_PIXELS", large._Room(2500))


def held_at_once(sides: tuple[int, ...]) -> list[list[int]]:
    """Which pictures are held while each is opened, one of them in its own thread."""
    held: list[int] = []
    seen: list[list[int]] = []
    lock = threading.Lock()

    def take(opened: Opened) -> None:
        with lock:
            held.append(opened.picture.width)
            seen.append(held.copy())
        time.sleep(0.02)
        with lock:
            held.remove(opened.picture.width)

    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(lambda side: open_picture(png(str(side), (side, side)), take), sides))
    return seen


@pytest.mark.usefixtures("room")
def test_large_pictures_share_the_room_of_the_largest() -> None:
    assert max(map(len, held_at_once((30, 30, 30, 30, 30, 30)))) == 2
    for held in held_at_once(SIDES):
        assert sum(side**2 for side in held if side > 10) <= 2500


def test_large_files_are_held_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE_BYTES", 100)
    files = [tmp_path / f"{i}.png" for i in range(4)]
    held: set[Path] = set()

    def read(file: Path) -> int:
        with reading(file):
            held.add(file)
            time.sleep(0.02)
            at_once = len(held)
            held.remove(file)
        return at_once

    for file in files:
        Image.new("RGB", (40, 40)).save(file, "BMP")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, files)) == [1] * 4
