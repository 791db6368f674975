"""Killed with kill -9, bench loses nothing, repeats nothing and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.survival.killing import survive


@pytest.mark.parametrize(("case", "kills"), [("jobs", 2), ("sweep-jobs", 1)])
def test_a_killed_command_goes_on_as_if_nothing_had_been(
    case: str, kills: int, tmp_path: Path
) -> None:
    result = survive(case, kills=kills, seed=1, folder=tmp_path / case)
    assert len(result.moments) == kills
    assert not result.faults
