"""Processes told apart: alive, dead, not yet buried, another of the same number, elsewhere."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmark.processes.identity import CLOCK_SECONDS, ProcessName, this_process


def test_a_name_is_read_as_it_was_written() -> None:
    name = ProcessName(host="a-b.c-1", pid=23, started=456)
    assert ProcessName.read(str(name)) == name
    assert ProcessName.read("marks-old") is None
    assert ProcessName.read("") is None


def test_this_process_lives_and_an_earlier_one_of_its_number_is_dead() -> None:
    own = this_process()
    assert own.is_here
    assert not own.is_dead
    assert replace(own, started=own.started - 2 * CLOCK_SECONDS).is_dead


def test_a_clock_that_is_set_kills_nobody_and_a_restart_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own, boot = this_process(), psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)
    assert not own.is_dead
    (tmp_path / "boot_id").write_text("another")
    monkeypatch.setattr("benchmark.processes.identity._BOOT_ID", tmp_path / "boot_id")
    assert own.is_dead


def test_of_another_machine_nothing_is_known() -> None:
    other = replace(this_process(), host="elsewhere", started=0)
    assert not other.is_here
    assert not other.is_dead


def test_a_process_that_has_ended_is_dead_before_its_parent_asks() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = int(psutil.Process(child.pid).create_time())
        name = replace(this_process(), pid=child.pid, started=started)
        assert not name.is_dead
        child.kill()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert name.is_dead
    assert name.is_dead
