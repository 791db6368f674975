"""The console is as wide as what it writes to."""

import sys

import pytest

from benchmark.terminal.console import make_console


@pytest.mark.parametrize(("columns", "width"), [("", 1000), ("0", 1000), ("120", 120)])
def test_no_width_is_none_to_write_nothing_in(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes no terminal of a file
    assert make_console().width == width
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert 0 < make_console().width <= width
