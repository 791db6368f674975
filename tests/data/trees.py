"""Trees of images as people have them, and what becomes of them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmark.data.layout import ImageFile
from benchmark.data.sources import Source, open_source
from benchmark.study.config import Config, DataConfig

FLAT = {"abra": 3, "bulbasaur": 2, "cubone": 4}
DIVIDED = {f"{split}/{name}": 2 for split in ("train", "val", "test") for name in ("abra", "zubat")}


def opened(source: Path | str, home: Path, **settings: int) -> Source:
    return open_source(Config(data=DataConfig(source=str(source), **settings)), home)


def labels(files: Iterable[ImageFile]) -> dict[str, int]:
    return dict(Counter(file.label for file in files))


def parts(files: Iterable[ImageFile]) -> set[tuple[str, str | None]]:
    return {(file.name.split("/")[0], file.split) for file in files}


def left_out(source: Source) -> dict[str, str]:
    return {entry.name: entry.reason for entry in source.left_out}


def findings(source: Source) -> list[tuple[str, str]]:
    return [(finding.kind, finding.name) for finding in source.findings]
