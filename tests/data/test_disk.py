"""A disk that is too small is found out before images are decoded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchmark.data.disk import reserve
from benchmark.data.prepared import prepare
from benchmark.data.sources import folder_source
from registry.errors import UserError


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail, raising=False)


def test_a_file_has_the_space_that_it_promises(tmp_path: Path) -> None:
    file = tmp_path / "images.npy"
    with file.open("wb") as opened:
        opened.truncate(1_000_000)
    assert file.stat().st_blocks == 0
    reserve(file)
    assert file.stat().st_blocks * 512 >= 1_000_000


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_told_before_decoding_and_nothing_stays(
    image_folder: Path, tmp_path: Path
) -> None:
    source = folder_source(image_folder)
    decoded: list[int] = []
    with pytest.raises(UserError, match=r"0\.00\d+ GB in .*data, where .* GB are free.*BENCH_HOME"):
        prepare(
            source,
            image_size=32,
            seed=0,
            home=tmp_path,
            progress=lambda done, total: decoded.append(done),
        )
    assert not decoded
    assert not [path for path in (tmp_path / "data").iterdir() if path.is_dir()]
