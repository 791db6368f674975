"""The registry: names and globs find what is meant or say what is near; plugins add to it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from registry import models
from registry.core import Registry, load_plugins, match_names, near

NAMES = ["basic_cnn", "resnet18", "resnet50", "vit_b_16"]
ROOT = Path(__file__).parents[2]
HEAD = """
from sklearn.dummy import DummyClassifier
from registry import register_head


@register_head("majority", title="Majority Class", grid=({"strategy": "prior"},))
def majority(*, seed, jobs, **params):
    return DummyClassifier(random_state=seed, **params)
"""
MODEL = """
from torch import nn
from registry import register_model


@register_model("pixels", title="Pixels")
def pixels(image_size):
    return nn.Flatten()
"""
SHOW_HEADS = """
from registry import heads
print(*(head.name for head in heads))
print(heads["majority"].grid, heads["majority"].factory(seed=3, jobs=1, strategy="prior"))
"""


@dataclass(frozen=True)
class Item:
    name: str
    value: int = 0


def registry_of(*names: str) -> Registry[Item]:
    items: Registry[Item] = Registry("item", lambda: None)
    for name in names:
        items.add(Item(name))
    return items


def write_plugin(folder: Path, name: str, code: str) -> None:
    """Lay a package out as an installer would, entry point and all."""
    (folder / f"bench_{name}.py").write_text(code)
    info = folder / f"bench_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bench-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bench.plugins]\n{name} = bench_{name}\n")


def python(code: str, *, path: Path) -> list[str]:
    """Run code with a folder on the path; gives the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_spec_is_found_by_name_and_in_order() -> None:
    items = registry_of("b", "a", "c")
    assert items["a"] == Item("a")
    assert [item.name for item in items] == ["b", "a", "c"]


def test_clash_of_names_is_an_error_and_the_first_stays() -> None:
    items = registry_of("a")
    with pytest.raises(ValueError, match="two items are called 'a'; rename one"):
        items.add(Item("a", 2))
    assert items["a"].value == 0


def test_removed_spec_is_gone_and_its_name_free() -> None:
    items = registry_of("a", "b")
    items.remove("a")
    assert [item.name for item in items] == ["b"]
    items.add(Item("a", 2))
    assert items["a"].value == 2


def test_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no item is called 'resnet81'; did you mean resnet18"):
        registry_of(*NAMES)["resnet81"]


def test_open_family_is_resolved_after_the_registered() -> None:
    def resolve(name: str) -> Item | None:
        return Item(name, 7) if name.startswith("zoo:") else None

    items: Registry[Item] = Registry("item", lambda: None, resolve)
    items.add(Item("zoo:known"))
    assert items["zoo:any"] == Item("zoo:any", 7)
    assert items["zoo:known"] == Item("zoo:known")
    assert [item.name for item in items] == ["zoo:known"]
    with pytest.raises(ValueError, match="no item is called 'other'"):
        items["other"]


def test_definitions_are_loaded_once_when_first_asked_for() -> None:
    loads: list[str] = []

    def load() -> None:
        loads.append("load")
        items.add(Item("late"))
        assert items["late"]  # a plugin may look things up while it registers

    items: Registry[Item] = Registry("item", load)
    assert loads == []
    assert items["late"] == Item("late")
    assert list(items) == [Item("late")]
    assert loads == ["load"]


def test_failed_load_is_tried_again_not_taken_for_empty() -> None:
    def load() -> None:
        raise ValueError("broken plugin")

    items: Registry[Item] = Registry("item", load)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken plugin"):
            list(items)


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (["resnet18"], ["resnet18"]),
        (["resnet*"], ["resnet18", "resnet50"]),
        (["vit*", "basic_cnn"], ["basic_cnn", "vit_b_16"]),
        (["*"], NAMES),
        (["resnet18", "res*18", "resnet18"], ["resnet18"]),
        (["resnet[15]?"], ["resnet18", "resnet50"]),
    ],
)
def test_names_and_globs_are_matched_in_the_order_of_the_known(
    globs: list[str], found: list[str]
) -> None:
    assert match_names(globs, NAMES, "model") == found


@pytest.mark.parametrize("globs", [["swin*"], ["resnet*", "swin*"], ["Resnet18"]])
def test_glob_that_matches_nothing_is_an_error(globs: list[str]) -> None:
    with pytest.raises(ValueError, match=f"no model is called '{globs[-1][:2]}.*;"):
        match_names(globs, NAMES, "model")


def test_near_names_are_suggested_nearest_first() -> None:
    assert near("resnet19", NAMES) == "did you mean resnet18 or resnet50?"
    assert near("basic-cnn", NAMES) == "did you mean basic_cnn?"


def test_without_a_near_name_the_first_few_are_listed() -> None:
    assert near("?", NAMES) == "there are basic_cnn, resnet18, resnet50, vit_b_16"
    many = [f"m{i:02}" for i in range(15)]
    assert near("?", many) == f"there are {', '.join(many[:12])} and 3 more"


def test_plugin_adds_its_head_to_the_registered(tmp_path: Path) -> None:
    write_plugin(tmp_path, "majority", HEAD)
    names, majority = python(SHOW_HEADS, path=tmp_path)
    assert names.split()[-1] == "majority"
    assert {"xgboost", "random_forest", "extra_trees"} < set(names.split())
    assert majority == "({'strategy': 'prior'},) DummyClassifier(random_state=3)"


def test_plugin_adds_its_model_to_the_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(tmp_path, "pixels", MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "_loaded", False)  # as in a new process, without its seconds
    assert [spec.name for spec in models][-1] == "pixels"
    assert models["pixels"].factory(8)(torch.zeros(2, 3, 4, 4)).shape == (2, 48)
    models.remove("pixels")


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv builds and installs the plugin")
def test_installed_package_is_a_plugin(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "src" / "bench_sign").mkdir(parents=True)
    (package / "src" / "bench_sign" / "__init__.py").write_text("print('sign is loaded')\n")
    (package / "pyproject.toml").write_text(
        """
        [project]
        name = "bench-sign"
        version = "1.0"
        [project.entry-points."bench.plugins"]
        sign = "bench_sign"
        [build-system]  # part of uv: nothing is downloaded
        requires = ["uv_build>=0.7"]
        build-backend = "uv_build"
        """
    )
    site = tmp_path / "site"
    install = ["uv", "pip", "install", "--offline", "--no-deps", "--python", sys.executable]
    done = subprocess.run(
        [*install, "--cache-dir", tmp_path / "cache", "--target", site, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = "from registry.core import load_plugins; load_plugins()"
    assert python(code, path=site) == ["sign is loaded"]


def test_broken_plugin_is_one_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(tmp_path, "broken", "raise RuntimeError('no such device')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError) as info:
        load_plugins()
    assert str(info.value) == (
        "plugin broken (bench_broken) cannot be loaded: no such device; "
        "mend it or uninstall its package"
    )
    assert isinstance(info.value.__cause__, RuntimeError)


def test_plugin_whose_name_is_taken_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clash = "from registry.models import register_model\nregister_model('same', title='')(list)\n"
    write_plugin(tmp_path, "one", clash)
    write_plugin(tmp_path, "two", clash)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"plugin (one|two) .*two models are called 'same'"):
        load_plugins()
    models.remove("same")
