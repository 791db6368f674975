"""What bench lists, explores and helps with, run in process."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.commands.examples import EXAMPLES
from tests.test_cli import assert_one_line_error, bench


def test_data_are_explored_as_tables_and_pictures(workplace: Path, image_folder: Path) -> None:
    (workplace / "mine").symlink_to(image_folder)
    result = bench("data", "mine", "--out", "explored")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (workplace / "explored").iterdir()}
    assert {"class_distribution.png", "image_sizes.png", "classes.csv", "sizes.csv"} <= names
    again = bench("data", "mine", "--out", "explored", "--format", "json")
    assert len(json.loads(again.stdout)) > 1  # one document, and no sentence beside it
    assert again.stderr == "Pictures and tables are in explored/\n"
    sizes = json.loads(bench("data", "mine", "--table", "sizes", "--format", "json").output)
    assert sizes == [{"width": 40, "height": 30, "images": 42, "share": 1.0}]
    classes = bench("data", "mine", "--table", "classes", "--format", "csv").output.splitlines()
    assert classes == ["class,images,train,val,test"] + [
        f"{name},14,10,2,2" for name in ("blue", "green", "red")
    ]


def test_names_that_look_like_markup_are_shown_as_they_are(
    workplace: Path, image_folder: Path
) -> None:
    shutil.copytree(image_folder, workplace / "[old] pics")
    (workplace / "[old] pics" / "red").rename(workplace / "[old] pics" / "[bold]r\x1b[31med")
    output = bench("data", "[old] pics", "--out", "[out]").output
    assert "[old] pics: classes" in output
    assert "[bold]r\\x1b[31med" in output
    assert "Pictures and tables are in [out]/" in output
    assert "\x1b" not in output


def test_a_mistake_with_control_characters_is_told_in_one_line_without_them(
    workplace: Path,
) -> None:
    result = bench("data", "no\x1b[31m\nwhere")
    assert_one_line_error(result, "no\\x1b[31m")
    assert "\x1b" not in result.stderr


def test_data_are_explored_as_they_would_be_run(workplace: Path, image_folder: Path) -> None:
    limited = ["--set", "data.images_per_class=4", "--set", "data.classes=2"]
    shown = bench("data", str(image_folder), *limited, "--table", "classes", "--format", "csv")
    assert shown.output.splitlines()[1:] == ["blue,8,4,2,2", "green,8,4,2,2"]


def test_systems_are_counted_as_in_the_study(workplace: Path) -> None:
    rows = json.loads(bench("ls", "systems", "--format", "json").stdout)
    counts = {row["name"]: row["parameters"] for row in rows}
    assert sum(row["group"] != "beyond the study" for row in rows) == 27
    assert counts["basic_cnn-scratch"] == 29_623_511
    assert counts["residual_cnn-scratch"] == 129_529_943
    assert counts["convmixer-scratch"] == 704_151
    assert counts["resnet18-scratch"] == counts["resnet18-staged"] == 11_253_975
    assert counts["vit_b_16-scratch"] == counts["vit_b_16-staged"] == 85_937_047
    assert counts["resnet18-frozen"] == 11_609_303
    assert counts["vit_b_16-frozen"] == 86_384_791
    settings = {row["name"]: row["settings"] for row in rows}
    assert counts["resnet18-staged/xgboost-n100-d10"] is None
    assert settings["resnet18-staged/xgboost-n100-d10"] == "n_estimators=100, max_depth=10"
    quick = json.loads(bench("ls", "systems", "--preset", "quick", "--format", "json").stdout)
    assert {row["name"]: row["parameters"] for row in quick}["basic_cnn-scratch"] != 29_623_511


def test_lists_take_no_images_since_they_are_the_same_for_all(workplace: Path) -> None:
    result = bench("ls", "systems", "--data", "mine")
    assert (result.exit_code, "No such option" in result.stderr) == (2, True)
    assert "[default: study]" in " ".join(bench("ls", "--help").output.split())
    resized = bench("ls", "systems", "--set", "data.image_size=64", "--format", "json").stdout
    counts = {row["name"]: row["parameters"] for row in json.loads(resized)}
    assert counts["basic_cnn-scratch"] < 29_623_511


@pytest.mark.parametrize("what", ["models", "heads", "presets"])
def test_what_is_registered_is_listed(workplace: Path, what: str) -> None:
    rows = json.loads(bench("ls", what, "--format", "json").output)
    assert {"resnet18", "extra_trees", "quick"} & {row["name"] for row in rows}


def commands() -> list[tuple[str, click.Command]]:
    return list(main.commands.items())


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_has_help_and_stands_in_the_readme(
    name: str, command: click.Command
) -> None:
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert all(option.help for option in options)
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert f"bench {name}" in readme


@pytest.mark.parametrize(("name", "command"), commands())
def test_the_help_of_every_command_ends_with_examples_that_it_takes(
    name: str, command: click.Command
) -> None:
    output = bench(name, "--help").output
    examples = output.partition("Examples:\n")[2].splitlines()
    assert [example.strip() for example in examples] == [*EXAMPLES[name]]
    for example in examples:
        _, called, *arguments = shlex.split(example)
        assert called == name
        command.make_context(name, arguments)  # it would be a usage error


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_summary_of_a_command_is_cut_off(width: int) -> None:
    output = CliRunner().invoke(main, ["--help"], terminal_width=width).output
    assert "..." not in output.partition("Commands:")[2]
    words = " ".join(output.split())
    for _, command in commands():
        assert command.short_help is not None
        assert command.short_help in words


def test_settings_are_listed_with_what_they_take(workplace: Path) -> None:
    rows = json.loads(bench("ls", "settings", "--format", "json").output)
    (epochs,) = [row for row in rows if row["setting"] == "train.epochs"]
    assert epochs == {
        "setting": "train.epochs",
        "default": "25",
        "range": "1 to 100,000",
        "meaning": "At most so many.",
    }
    quick = json.loads(bench("ls", "settings", "--preset", "quick", "--format", "json").output)
    assert {"setting": "train.epochs", "default": "5"}.items() <= quick[rows.index(epochs)].items()


@pytest.mark.parametrize(
    ("arguments", "needed", "code"),
    [
        (["run", "--help"], set(), 0),
        (["ls", "heads"], {"rich"}, 0),
        (["ls", "settings"], {"rich"}, 0),
        (["leaderboard"], set(), 2),  # of a store that is not there
        (["compare", "a", "b"], set(), 2),
        (["report"], set(), 2),
    ],
)
def test_help_and_lists_answer_without_importing_what_is_heavy(
    arguments: list[str], needed: set[str], code: int, workplace: Path
) -> None:
    heavy = {"torch", "mlflow", "sklearn", "pandas", "xgboost", "rich"} - needed
    program = (
        "import sys; from benchmark.cli import main\n"
        f"try: main({arguments})\n"
        f"except SystemExit as end: assert (end.code or 0) == {code}, end.code\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
