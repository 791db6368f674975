"""`bench run`: its options arrive where they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.execution.launch import Launch
from benchmark.runs.run_one import open_tracker
from benchmark.tracking.store import Store
from tests.studies import files, tracked
from tests.test_cli import TINY, bench


@pytest.mark.usefixtures("workplace")
def test_what_is_typed_reaches_the_study(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(console: Any, launch: Launch) -> None:
        launches.append(launch)

    launches: list[Launch] = []
    monkeypatch.setattr("benchmark.terminal.planned.print_plan", planned)
    command = ["run", "basic_cnn", "--data", str(image_folder), *TINY, "--dry-run"]
    for options in ([], ["--checkpoint", "0", "--jobs", "auto"]):
        result = bench(*command, *options)
        assert result.exit_code == 0, result.output
    assert [launch.options.checkpoint_seconds for launch in launches] == [30, 0]
    assert [launch.jobs for launch in launches] == [1, "auto"]


def test_weights_are_kept_as_it_is_asked(store: Store, image_folder: Path) -> None:
    command = ["run", "basic_cnn", "--data", str(image_folder), *TINY, "--no-explain", "--force"]
    kept = []
    for asked in ("none", "all"):
        result = bench(*command, "--save-weights", asked)
        assert result.exit_code == 0, result.output
        newest = tracked(store, "basic_cnn-scratch")[0]
        kept.append("weights.safetensors" in files(open_tracker(store), newest.info.run_id))
    assert kept == [False, True]
