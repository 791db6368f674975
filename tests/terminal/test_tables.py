"""Tables as they stand on terminals of different widths."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest
from rich.console import Console
from rich.text import Text

from benchmark.terminal.numbers import bar, count, duration, plain, sparkline
from benchmark.terminal.tables import Format, show

RUNS = pd.DataFrame(
    {
        "system": ["Random Forest on Fine-Tuned ResNet Head Features", "ConvMixer Model"],
        "run": ["resnet18-frozen/random_forest-n200-d16", "convmixer-scratch"],
        "test_accuracy": [0.775, 0.1],
        "study_accuracy": [0.36, None],
        "backbone": ["frozen", "from scratch"],
        "experiment": ["experiment 2", "from scratch"],
        "settings": ["n_estimators=200, max_depth=16", ""],
        "parameters": [None, 667914],
        "weights": ["demo", "demo"],
        "fit_seconds": [0.5, 261.0],
        "reason": ["", ""],
    }
)


def shown(width: int, *, terminal: bool = True, frame: pd.DataFrame = RUNS) -> list[str]:
    file = io.StringIO()
    show(frame, "table", Console(file=file, width=width, force_terminal=terminal))
    lines = Text.from_ansi(file.getvalue()).plain.splitlines()
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_narrow_table_keeps_its_words_names_and_accuracies(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("Fine-Tuned", "resnet18-frozen/", "random_forest-n200-d16", "convmixer-scratch"):
        assert word in text
    for word in ("77.50%", "36.00%", "ConvMixer Model"):
        assert word in text


@pytest.mark.parametrize(
    ("width", "part"), [(90, "-14.7 (-20.7 to"), (110, "-14.7 (-20.7 to -8.3)")]
)
def test_intervals_fold_as_little_as_the_width_allows(width: int, part: str) -> None:
    frame = RUNS[["system", "run", "test_accuracy", "parameters", "weights"]].copy()
    frame["points_to_the_best"] = ["-14.7 (-20.7 to -8.3)", ""]
    assert any(part in line for line in shown(width, frame=frame))


def test_what_a_narrow_table_leaves_out_is_told() -> None:
    text = " ".join(" ".join(shown(80)).split())
    assert "fit" not in text.partition("too wide to show")[0]
    assert "in all rows: weights demo" in text
    assert "too wide to show: experiment, fit seconds, settings, " in text


def test_many_columns_leave_the_accuracies_whatever_their_values() -> None:
    figures = {f"metric_{i}": [0.123456, 0.2] for i in range(30)}
    accuracies = {"test_accuracy": [0.775, 0.775], "best_val_accuracy": [0.5, 0.5]}
    settings = {"train.batch_size": [16, 32]}
    frame = pd.DataFrame({"run": RUNS["run"], **figures, **accuracies, **settings})
    lines = shown(80, frame=frame)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "77.50%" in text
    assert "50.00%" in text
    assert "train.batch_size" in text  # as it is typed


def test_a_word_without_end_is_broken() -> None:
    frame = pd.DataFrame(
        {"class": ["x" * 220, "y"], "images": [6783, 2], "test_accuracy": [1, 0.5]}
    )
    lines = shown(80, frame=frame)
    assert max(map(len, lines)) <= 80
    assert "".join(lines).count("x") == 220
    assert "6783" in "".join(lines)


def test_why_a_run_failed_is_told_in_full_on_a_narrow_terminal() -> None:
    path = "/data/" + 9 * "folder/" + "image.png"
    frame = pd.DataFrame(
        {
            "run": ["resnet18-frozen/random_forest-n300-d24", "convmixer-scratch"],
            "group": ["experiment 2", "from scratch"],
            "status": ["failed", "completed"],
            "test_accuracy": [None, 0.5],
            "run_id": ["0123456789abcdef" * 2, "fedcba9876543210" * 2],
            "reason": [f"OSError: cannot read {path}", ""],
        }
    )
    lines = shown(80, frame=frame)
    assert max(map(len, lines)) <= 80
    assert path in "".join("".join(lines).split())
    place = next(i for i, one in enumerate(lines) if one.startswith("resnet18-frozen/ "))
    assert lines[place + 1].startswith("random_forest-n300-d24 ")


def test_a_wide_table_has_all_on_one_line_each_without_empty_columns() -> None:
    lines = shown(300, terminal=False)
    row = next(line for line in lines if "Random Forest" in line)
    assert "n_estimators=200, max_depth=16" in row
    assert "0.5 s" in row
    header = next(line for line in lines if "system" in line)
    assert "study accuracy" in header
    assert "resnet18-frozen/random_forest-n200-d16" in row
    assert "reason" not in header


def test_a_wide_terminal_has_bars_and_a_pipe_has_none() -> None:
    rows = [line for line in shown(300) if "%" in line]
    assert "77.50% ███████▊" in rows[0]
    assert "10.00% █" in rows[1]
    assert not any("█" in line for line in shown(300, terminal=False))


def test_cells_and_titles_are_shown_as_they_are() -> None:
    frame = pd.DataFrame(
        {"name": ["[red]x[/]", "a\x1b[31mb\nc"], "number": [6783.0, 1], "share": [0.5, 1]}
    )
    file = io.StringIO()
    show(frame, "table", Console(file=file, width=80), title="[/data/x]: sizes :smile:")
    text = file.getvalue()
    assert "[red]x[/]" in text
    assert "a\\x1b[31mb\\nc" in text
    assert "[/data/x]: sizes :smile:" in text
    assert "6,783 " in text


def written(frame: pd.DataFrame, format_: Format) -> str:
    file = io.StringIO()
    show(frame, format_, Console(file=file), title="*t*")
    return file.getvalue()


def test_no_format_sends_control_characters_and_each_can_be_read_again() -> None:
    frame = pd.DataFrame({"class": ["007", "a|b", "\x1b[31mx\ny", "n_estimators", "*z*"]})
    csv, markdown = written(frame, "csv"), written(frame, "markdown")
    assert csv.splitlines() == ["class", "007", "a|b", "\\x1b[31mx\\ny", "n_estimators", "*z*"]
    rows = [line.strip("| ") for line in markdown.splitlines()]
    assert rows[0] == "**\\*t\\***"
    assert rows[4:] == ["007", "a\\|b", "\\\\x1b\\[31mx\\\\ny", "n_estimators", "\\*z\\*"]
    assert json.loads(written(frame, "json")) == frame.to_dict("records")
    assert "\x1b" not in csv + markdown + written(frame, "json")


def test_json_has_the_figures_that_csv_has() -> None:
    frame = pd.DataFrame({"p": [1.25e-12, 2 / 3]})
    assert [row["p"] for row in json.loads(written(frame, "json"))] == pytest.approx(frame["p"])


def test_no_cell_is_a_power_of_ten() -> None:
    assert [plain(value) for value in (12345.6, 0.123456, 20.0)] == ["12,346", "0.1235", "20"]


def test_a_bar_and_a_sparkline_follow_their_values() -> None:
    assert [bar(share) for share in (0, 0.53, 1)] == ["", "█████▎", "██████████"]
    assert sparkline([0.1, 0.2, 0.5]) == "▁▃█"
    assert sparkline([0.3, 0.3]) == "▁▁"


def test_a_long_table_shows_its_first_rows_and_a_file_has_all() -> None:
    frame = pd.DataFrame({"run": [f"run {place}" for place in range(1234)]})
    lines = shown(80, frame=frame)
    assert "the first 200 of 1,234 rows (--format csv has all)" in lines
    text = "\n".join(lines)
    assert "run 199" in text
    assert "run 200" not in text
    file = io.StringIO()
    show(frame, "csv", Console(file=file))
    assert len(file.getvalue().splitlines()) == 1 + 1234


def test_a_column_named_with_a_formats_word_may_hold_texts() -> None:
    frame = pd.DataFrame({"class": ["abra"], "again-net": ["abra"], "my_shared_net": [0.5]})
    assert "abra" in " ".join(shown(80, frame=frame))
    assert "50.00%" in " ".join(shown(80, frame=frame))


@pytest.mark.parametrize(
    ("value", "told"),
    [(999.4, "999"), (999.6, "1K"), (999_600, "1M"), (704_151, "704K"), (29_600_000, "29.6M")],
)
def test_counts_take_the_unit_that_they_round_to(value: float, told: str) -> None:
    assert count(value) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(9.97, "10 s"), (59.4, "59 s"), (59.7, "1 min 00 s"), (9.94, "9.9 s")]
)
def test_durations_take_the_unit_that_they_round_to(seconds: float, told: str) -> None:
    assert duration(seconds) == told
