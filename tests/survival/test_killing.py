"""Killed with kill -9, bench loses nothing, repeats nothing and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.survival.killing import survive

pytestmark = pytest.mark.long


def test_a_killed_command_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    """One case of ``python -m tests.survival``; sweeps are killed in tests of their own, too."""
    result = survive("jobs", kills=1, seed=1, folder=tmp_path / "jobs", share=0.6)
    assert not result.faults
    assert 0.5 < result.shares[0] < 1  # there was something to lose, and something to go on with
