"""What a result tells of the machine and the code."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
import torch

from benchmark.runs.environment import PACKAGES, describe_environment


def git(*arguments: str | Path) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_the_codes_and_nothing_of_the_current_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = describe_environment(torch.device("cpu"))["git_commit"]
    monkeypatch.chdir(tmp_path)
    Path("a.txt").touch()
    git("init", "--quiet")
    git("add", "a.txt")
    git("commit", "--quiet", "--message", "x")
    git("config", "core.fsmonitor", f"touch '{tmp_path}/it ran'; false")
    assert describe_environment(torch.device("cpu"))["git_commit"] == before
    assert not Path("it ran").exists()
    git("status")
    assert Path("it ran").exists()  # so it would have


def test_the_commit_is_told_with_what_was_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        return describe_environment(torch.device("cpu"))["git_commit"]

    code = tmp_path / "code.py"
    code.touch()
    monkeypatch.setattr("benchmark.runs.environment.__file__", str(code))
    assert told() == "none"
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    git("add", "code.py")
    git("commit", "--quiet", "--message", "x")
    git("tag", "v1")
    assert told() == git("rev-parse", "HEAD")
    code.write_text("changed")
    assert told() == git("rev-parse", "HEAD") + "-dirty"


def test_a_repository_that_keeps_other_files_is_not_the_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    Path("theirs.py").touch()
    git("add", "theirs.py")
    git("commit", "--quiet", "--message", "x")
    code = tmp_path / ".venv/code.py"
    code.parent.mkdir()
    code.touch()
    monkeypatch.setattr("benchmark.runs.environment.__file__", str(code))
    assert describe_environment(torch.device("cpu"))["git_commit"] == "none"


def test_a_plain_install_has_all_packages_that_are_told_of() -> None:
    needed = {"classifier-bench"}
    for name in ("classifier-bench", "scikit-learn"):  # which brings NumPy
        plain = [one for one in requires(name) or () if "extra ==" not in one]
        needed |= {re.split(r"[\s>=<!~;\[(]", one)[0].lower() for one in plain}
    assert {*PACKAGES} <= needed
