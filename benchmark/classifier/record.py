"""Turns the settings that a completed run stored into what its classifier is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmark.study.config import Precision
from benchmark.study.inputs import read_input
from benchmark.study.plan import DataSpec
from benchmark.study.suite import System
from benchmark.tracking.writer import Tracker
from registry import InputSpec

RECORD_FILE = "config.json"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run says of itself: what it trained, on which images, shown how, how precisely."""

    system: System
    data: DataSpec
    input: InputSpec
    precision: Precision
    test_flip: bool = False

    @property
    def image_size(self) -> int:
        """Side of its network's images in pixels."""
        return self.input.size or self.data.image_size


def read_record(tracker: Tracker, run_id: str) -> Record:
    """Read a completed run's record.

    Raises:
        UserError: It is gone, or of another version.
    """
    with tracker.artifact(run_id, RECORD_FILE) as file:
        return parse_record(file)


def parse_record(file: Path) -> Record:
    """Read a run's record from its file.

    Raises:
        Exception: Of several kinds: it is of another version, or another file.
    """
    settings = json.loads(file.read_text())
    params = tuple((key, value) for key, value in settings["system"]["params"])
    return Record(
        system=System(**{**settings["system"], "params": params}),
        data=DataSpec(**settings["data"]),
        input=read_input(settings),
        precision=settings["train"]["precision"],
        test_flip=bool(settings["train"].get("test_flip")),
    )
