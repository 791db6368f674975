"""A plugin's code is told apart by its files, this package's by none."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

import pytest

from registry import heads, models
from registry.code import _hash_of, code_id
from tests.plugins import MODEL, install


def test_another_code_has_another_hash_and_ours_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, tiny=MODEL)
    first = code_id(models["tiny"].factory)
    assert len(first) == 16
    assert code_id(partial(models["tiny"].factory, 32)) == first
    (tmp_path / "bench_tiny.py").write_text(MODEL.replace("nn.ReLU()", "nn.GELU()"))
    _hash_of.cache_clear()  # as a new process begins
    assert code_id(models["tiny"].factory) != first
    assert code_id(models["resnet18"].factory) == ""
    assert code_id(models["timm:resnet10t"].factory) == ""
    assert code_id(heads["xgboost"].factory) == ""


def test_a_package_is_all_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine_nets").mkdir()
    (tmp_path / "mine_nets/__init__.py").write_text("from mine_nets.parts import make\n")
    (tmp_path / "mine_nets/parts.py").write_text("def make(size): return size\n")
    (tmp_path / "mine_nets/other.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    from mine_nets import make  # type: ignore[import-not-found]

    first = code_id(make)
    (tmp_path / "mine_nets/other.py").write_text("x = 2\n")
    _hash_of.cache_clear()
    assert code_id(make) != first
    del sys.modules["mine_nets"], sys.modules["mine_nets.parts"]


def test_a_package_without_an_init_is_all_files_of_its_own_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = tmp_path / "mine/open_nets/models/made.py"
    beside = tmp_path / "mine/open_nets/layers.py"
    of_others = tmp_path / "others/open_nets/loose.py"
    for file in (made, beside, of_others):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("def make(size): return size\n")
    monkeypatch.syspath_prepend(tmp_path / "mine")
    monkeypatch.syspath_prepend(tmp_path / "others")
    make = importlib.import_module("open_nets.models.made").make

    def code() -> str:
        _hash_of.cache_clear()
        return code_id(make)

    first = code()
    assert len(first) == 16
    of_others.write_text("x = 2\n")
    assert code() == first
    beside.write_text("x = 2\n")
    assert code() != first
    for name in ("open_nets", "open_nets.models", "open_nets.models.made"):
        del sys.modules[name]


def test_what_is_typed_in_has_no_hash() -> None:
    typed: dict[str, object] = {"__name__": "__main__"}
    exec("def make(size): return size", typed)
    make = typed["make"]
    assert callable(make)
    assert code_id(make) == ""
