"""What installed packages register, and what becomes of those that cannot."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from registry import InputSpec, ModelSpec, PluginError, UserError, heads, models
from registry.plugins import plugins
from tests.plugins import HEAD, MODEL, install, write_plugin

ROOT = Path(__file__).parents[2]
SHOW_HEADS = """
from registry import heads, models
assert models["resnet18"]
print(*(head.name for head in heads))
print(heads["majority"].grid, heads["majority"].factory(seed=3, jobs=1, strategy="prior"))
"""


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


def test_plugin_adds_its_head_after_those_that_are_built_in(tmp_path: Path) -> None:
    write_plugin(tmp_path, "majority", HEAD)
    names, majority = python(SHOW_HEADS, path=tmp_path)
    *built_in, last = names.split()
    assert last == "majority"
    assert built_in[:3] == ["xgboost", "random_forest", "extra_trees"]
    assert majority == "({'strategy': 'prior'},) DummyClassifier(random_state=3)"


def test_plugin_adds_its_model_to_the_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, tiny=MODEL)
    assert [spec.name for spec in models][-1] == "tiny"
    backbone = models["tiny"].make(8)
    assert isinstance(backbone, torch.nn.Module)


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
    command = ["uv", "pip", "install", "--offline", "--no-deps", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--cache-dir", tmp_path / "cache", "--target", site, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert python("from registry import heads; list(heads)", path=site) == ["sign is loaded"]


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("raise RuntimeError('no such device')", "RuntimeError: no such device"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named"),
        ("raise SystemExit", "SystemExit"),
        ("import pytest\npytest.skip('no GPU', allow_module_level=True)", "Skipped: no GPU"),
        ("register_head('extra_trees', title='')(list)", "two heads are called 'extra_trees'"),
        ("register_head('a b', title='')(list)", "head 'a b': a name is of letters"),
        (
            "register_head('a', title='', grid={'C': 1})(list)",
            "head 'a': its grid",
        ),
        (
            "register_head('a', title='', grid=({'C': list},))(list)",
            "head 'a': C=<class",
        ),
        ("register_head('a', title='', grid=())(list)", "head 'a': its grid is empty; leave it"),
        (
            "register_head('a', title='', search_space=len)(list)",
            "head 'a': search_space=<built-in function len> is not valid; write search_space=",
        ),
    ],
)
def test_broken_plugin_is_told_and_takes_nothing_from_others(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ending: str,
    reason: str,
) -> None:
    before = [head.name for head in heads]
    install(monkeypatch, tmp_path, broken=f"{HEAD}\n{ending}\n", tiny=MODEL)
    with caplog.at_level(logging.WARNING):
        assert [head.name for head in heads] == before  # its own first head, too, is taken back
    assert models["tiny"]
    (told,) = caplog.messages
    assert told.startswith(f"plugin broken (bench_broken) cannot be loaded: {reason}")
    assert "mend it or uninstall its package" in told
    with pytest.raises(UserError, match=r"no head is called 'majority'.*plugin broken") as info:
        heads["majority"]
    assert isinstance(info.value.__cause__, PluginError)
    assert info.value.__cause__ is plugins.broken[0]
    assert plugins.broken[0].__cause__ is not None


def test_an_entry_point_that_names_a_function_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "from registry import register_model\ndef register(): register_model('x', title='X')(list)"
    )
    install(monkeypatch, tmp_path, lazy=code, tiny=f"{MODEL}\ndef unused(): pass")
    for name, function in (("lazy", "register"), ("tiny", "unused")):
        (file,) = tmp_path.glob(f"*{name}*.dist-info/entry_points.txt")
        file.write_text(file.read_text().replace(f"bench_{name}", f"bench_{name}:{function}"))
    assert [spec.name for spec in models][-1] == "tiny"  # registered as it was imported
    (told,) = caplog.messages
    assert "register is not called, and nothing is registered; name the module alone" in told


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("schedules=('scrach',)", "no schedule is called 'scrach'; did you mean scratch"),
        ("schedules='frozen'", "no schedule is called 'f'"),
        ("explanation='gradcm'", "no explanation is called 'gradcm'; did you mean gradcam"),
        ("schedules=3", "schedules=3 is not a tuple"),
        ("input=224", r"input=224 is not valid; write input=InputSpec\(size=224\)"),
        ("weights='best.pth'", r"weights='best.pth' is not valid; write weights=PackagedWeights"),
        ("cam_layer=['x']", "unhashable type: 'list'; what it is made of must not change"),
    ],
)
def test_what_a_model_says_wrongly_is_told_with_what_it_could_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str, reason: str
) -> None:
    code = f"from registry import register_model\nregister_model('x', title='X', {parts})(list)"
    install(monkeypatch, tmp_path, wrong=code)
    with pytest.raises(UserError, match=f"model 'x': {reason}"):
        models["x"]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"aspect": "center"}, "no aspect is called 'center'; there are crop, pad, squash"),
        ({"interpolation": "linear"}, "no interpolation is called 'linear'; did you mean bilinear"),
        ({"crop": 87.5}, "crop=87.5 is no share"),
        ({"crop": 0}, "crop=0 is no share"),
        ({"size": "224"}, "size='224' is no number of pixels"),
        ({"mean": (0.5,)}, r"mean=\(0.5,\) is not three numbers"),
        ({"std": (0.5, 0.5, float("nan"))}, "std=.* is not three numbers"),
        ({"std": (0.0, 1.0, 1.0)}, "std=.* divides by what must be above zero"),
    ],
)
def test_an_input_that_makes_no_picture_is_refused(parts: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=f"an input: {reason}"):
        InputSpec(**parts)


def test_lists_are_taken_for_tuples() -> None:
    """What is remembered of a model is found by its hash, by the commands of all."""
    mean: Any = [0.5, 0.5, 0.5]
    schedules: Any = ["scratch"]
    spec = ModelSpec(
        name="x",
        title="X",
        factory=models["resnet18"].factory,
        schedules=schedules,
        input=InputSpec(mean=mean),
    )
    assert spec.schedules == ("scratch",)
    assert spec.input == InputSpec(mean=(0.5, 0.5, 0.5))
    assert hash(spec)


def test_model_whose_name_ends_as_a_run_does_is_refused() -> None:
    with pytest.raises(UserError, match="'mine-frozen': -frozen ends names of runs"):
        models.add(type(models["resnet18"])(name="mine-frozen", title="", factory=list))  # type: ignore[arg-type]
