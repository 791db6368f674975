"""Lists of images to leave out: what they name is not used, and nothing is deleted."""

from pathlib import Path

import pytest

from benchmark.data.exclusion import write_exclusions
from benchmark.data.prepared import prepare
from benchmark.data.sources import Source, folder_source
from benchmark.study.config import DataConfig
from registry.errors import UserError
from tests.data.images import write_tree
from tests.data.trees import FLAT, labels, left_out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "mine", FLAT)


def excluded(folder: Path, exclusions: Path, **settings: int) -> Source:
    return folder_source(folder, DataConfig(exclude=str(exclusions), **settings))


def test_what_a_list_names_is_left_out_with_its_reason(folder: Path) -> None:
    exclusions = folder.parent / "fix" / "mine.csv"
    rows = [{"image": "abra/000.png", "reason": "copy", "detail": "of abra/001.png"}]
    write_exclusions(exclusions, [*rows, {"image": "gone.png", "reason": "blank"}])
    source = excluded(folder, exclusions)
    assert labels(source.files) == FLAT | {"abra": FLAT["abra"] - 1}
    assert left_out(source) == {
        "abra/000.png": "by mine.csv: copy",
        "gone.png": "by mine.csv, but it is not there",
    }
    assert (folder / "abra/000.png").exists()


def test_a_name_may_be_written_with_accents_apart(folder: Path) -> None:
    (folder / "abra/000.png").rename(folder / "abra/caf\N{LATIN SMALL LETTER E WITH ACUTE}.png")
    exclusions = folder.parent / "fix.csv"
    exclusions.write_text("image\nabra/cafe\N{COMBINING ACUTE ACCENT}.png\n", encoding="utf-8")
    assert labels(excluded(folder, exclusions).files)["abra"] == FLAT["abra"] - 1


def test_it_is_part_of_the_datas_identity(folder: Path, tmp_path: Path) -> None:
    exclusions = tmp_path / "fix.csv"
    exclusions.write_text("image\nabra/000.png\n")
    found = [
        prepare(source, image_size=16, seed=0, home=tmp_path).spec.fingerprint
        for source in (folder_source(folder), excluded(folder, exclusions))
    ]
    (folder / "abra/000.png").unlink()
    without = prepare(folder_source(folder), image_size=16, seed=0, home=tmp_path)
    assert found[0] != found[1] == without.spec.fingerprint


def test_a_class_without_images_makes_room_for_another(folder: Path) -> None:
    exclusions = folder.parent / "fix.csv"
    write_exclusions(exclusions, [{"image": f"abra/{i:03}.png"} for i in range(FLAT["abra"])])
    assert labels(excluded(folder, exclusions, classes=2).files) == {
        name: count for name, count in FLAT.items() if name != "abra"
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        (b"name\nabra/000.png\n", "has no column called image"),
        (b"\xff\xfe\x00", "is no CSV file"),
        (b"image\nother/1.png\n", "none of its 1 images is there, such as 'other/1.png'"),
    ],
)
def test_a_list_that_does_not_fit_is_told(folder: Path, content: bytes | None, told: str) -> None:
    exclusions = folder.parent / "fix.csv"
    if content is not None:
        exclusions.write_bytes(content)
    with pytest.raises(UserError, match=told):
        excluded(folder, exclusions)
