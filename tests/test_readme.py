"""What README shows works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.tracking.store import Store
from registry.checks import check_head, check_model
from tests.performance.stored import read_report
from tests.plugins import install

README = (Path(__file__).parent.parent / "README.md").read_text()


def example(calling: str) -> str:
    """The block of Python with such a call."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if calling in block]
    return str(found)


def test_table_of_performance_is_that_of_its_report() -> None:
    report = Path(__file__).parent / "performance" / "readme.json"
    assert read_report(report).markdown() in README


def test_example_of_a_plugin_keeps_its_contract_and_runs_without_a_warning(
    store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Path
) -> None:
    install(monkeypatch, workplace / "site", readme=example("@register_model("))
    check_model("my_net")
    check_head("my_lda")
    command = ["run", "my_net", "my_net-scratch/my_lda", "--data", str(image_folder)]
    command += ["--set", "data.image_size=32", "--set", "train.epochs=1", "--no-explain"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = CliRunner().invoke(main, [*command, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "3 completed" in result.stdout
    assert result.stderr == ""
    assert not [one for one in told if "sklearn" in one.filename]


def test_example_of_the_library_prints_what_it_says(
    store: Store, image_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = example("bench.plan(")
    for theirs, ours in (
        ('"DIR"', repr(str(image_folder))),
        ('{"seed": 0}', '{"seed": 0, "data.image_size": 32, "train.epochs": 1}'),
    ):
        assert theirs in code
        code = code.replace(theirs, ours)
    exec(code, {})
    *outcomes, header, first, second = capsys.readouterr().out.splitlines()
    for name, line in zip(("convmixer", "basic_cnn"), outcomes, strict=True):
        assert re.fullmatch(rf"{name}-scratch: completed, test accuracy \d+\.\d\d%", line)
    assert header.split() == ["image", "true", "predicted", "blue", "green"]
    assert [len(row.split()) for row in (first, second)] == [6, 6]  # with its place


def test_ray_takes_what_the_line_for_slurm_gives_it() -> None:
    (line,) = re.findall(r"ray symmetric-run (.*) --\s", README)
    ray = [str(Path(sys.executable).with_name("ray")), "symmetric-run", "--help"]
    known = subprocess.run(ray, capture_output=True, text=True, check=True).stdout
    options = re.findall(r"--[a-z-]+", line)
    assert options == ["--address", "--min-nodes"]
    assert {*options} <= {*re.findall(r"^  (--[a-z-]+) ", known, re.MULTILINE)}
