"""Systems are counted once by the same code."""

from pathlib import Path

import pandas as pd
import pytest

from benchmark.data import remembered
from benchmark.ranking import listing
from benchmark.study.config import Config, override
from benchmark.study.presets import tuned
from benchmark.study.suite import System, find_systems


@pytest.fixture(autouse=True)
def few(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "systems", lambda: find_systems(["basic_cnn", "resnet18-frozen*"]))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The systems whose rows were made."""
    made: list[str] = []
    make = listing._system_row

    def count(system: System, *rest: object) -> dict[str, object]:
        made.append(system.name)
        return make(system, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "_system_row", count)
    return made


def test_systems_are_counted_once_for_the_same_settings(
    workplace: Path, counted: list[str]
) -> None:
    (workplace / "home").mkdir()
    first = listing.list_systems(Config())
    rows = len(counted)
    assert rows == len(first) > 2
    pd.testing.assert_frame_equal(listing.list_systems(Config()), first)
    assert len(counted) == rows
    other = listing.list_systems(override(Config(), ["data.classes=10"]))
    assert len(counted) == 2 * rows
    assert (other["parameters"].dropna() < first["parameters"].dropna()).all()


@pytest.mark.parametrize("content", ["", '[{"name', "{}"])
def test_damaged_counts_are_made_anew(
    content: str, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (workplace / "home").mkdir()
    first = listing.list_systems(Config())
    (file,) = (workplace / "home" / "answers").glob("systems-*.json")
    file.write_text(content)
    pd.testing.assert_frame_equal(listing.list_systems(Config()), first)
    assert f"{file.name} is damaged" in caplog.text
    caplog.clear()
    pd.testing.assert_frame_equal(listing.list_systems(Config()), first)
    assert not caplog.text


def test_a_plugins_code_is_asked_each_time_and_a_listing_makes_no_folder(
    workplace: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listing.list_systems(Config())
    assert not (workplace / "home").exists()
    (workplace / "home").mkdir()
    rows = len(counted)
    monkeypatch.setattr("registry.specs.HeadSpec.of_plugin", True)
    listing.list_systems(Config())
    listing.list_systems(Config())
    assert len(counted) == 3 * rows
    assert not list((workplace / "home").glob("*/systems*"))


def test_what_a_recipe_sets_is_no_default_of_all() -> None:
    defaults = {row["setting"]: row["default"] for row in listing.list_settings(tuned())}
    assert defaults["train.lr"] == defaults["train.optimizer"] == "by system"
    assert defaults["train.mixup"] == "0.0"
    set_ = override(tuned(), ["train.optimizer=sgd"])
    defaults = {row["setting"]: row["default"] for row in listing.list_settings(set_)}
    assert defaults["train.optimizer"] == "sgd"  # goes before the recipes


def test_systems_are_listed_though_there_is_no_room_to_keep_them(
    workplace: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "home").mkdir()

    def full(file: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(remembered, "unfinished", full)
    assert len(listing.list_systems(Config())) > 2
