"""What README shows of plugins works as it stands."""

from __future__ import annotations

import re
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


def example() -> str:
    """The block of Python that registers a model and a head."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if "@register_model" in block]
    return str(found)


def test_table_of_performance_is_that_of_its_report() -> None:
    report = Path(__file__).parent / "performance" / "readme.json"
    assert read_report(report).markdown() in README


def test_example_of_a_plugin_keeps_its_contract_and_runs_without_a_warning(
    store: Store, workplace: Path, monkeypatch: pytest.MonkeyPatch, image_folder: Path
) -> None:
    install(monkeypatch, workplace / "site", readme=example())
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
