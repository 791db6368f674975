"""Killed with kill -9, bench loses nothing, repeats nothing and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.survival.killing import survive

pytestmark = pytest.mark.long


@pytest.mark.parametrize("case", ["jobs", "sweep-jobs"])
def test_a_killed_command_goes_on_as_if_nothing_had_been(case: str, tmp_path: Path) -> None:
    result = survive(case, kills=1, seed=1, folder=tmp_path / case, share=0.6)
    assert not result.faults
    assert 0.5 < result.shares[0] < 1  # there was something to lose, and something to go on with
