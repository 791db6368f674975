"""`bench predict`: pictures of any kind and number, and what cannot be read, as rows."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import benchmark as bench
from benchmark.classifier.verdict import Verdict
from benchmark.cli import main
from tests.studies import own_store
from tests.test_cli import assert_one_line_error

NETWORK = "basic_cnn-scratch"
HEAD = "basic_cnn-scratch/logistic_regression"
SETTINGS = {"data.image_size": 32, "train.epochs": 3, "train.batch_size": 8}


def bench_(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def rows(*arguments: str, stdin: str | bytes | None = None) -> tuple[list[dict[str, str]], Result]:
    result = bench_("predict", *arguments, "--csv", "-", stdin=stdin)
    return list(csv.DictReader(io.StringIO(result.stdout))), result


@pytest.fixture(scope="module", autouse=True)
def studied(
    image_folder: Path, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder with a network and heads on it that are trained, by default options."""
    folder = tmp_path_factory.mktemp("photos")
    with own_store(folder, empty_database):
        study = bench.plan(image_folder, [NETWORK, HEAD], preset="study", settings=SETTINGS)
        assert {one.status for one in bench.run(study, device="cpu", explain=False)} == {
            "completed"
        }
        shutil.copytree(image_folder, "mine")
        yield folder


def test_folder_zip_glob_and_list_give_the_rows_of_the_benchmark(image_folder: Path) -> None:
    with zipfile.ZipFile("mine.zip", "w") as archive:
        for file in image_folder.rglob("*.png"):
            archive.write(file, file.relative_to(image_folder))
    stored = bench.predictions(NETWORK).set_index("image")
    listed = "\n".join(f"mine/{image}" for image in stored.index)
    told = bench_("predict", "mine").stdout
    assert "No picture is called unknown: --level 0.05 takes at least 19 val images" in told
    assert "it says little about pictures that it was trained on" in told
    for arguments, stdin, count in (
        (["mine"], None, 42),
        (["mine.zip"], None, 42),
        (["mine/*/0?.png"], None, 30),
        (["mine/**/*.png", "mine"], None, 42),
        (["mine", "--top", "1000"], None, 42),
        (["-"], listed, 6),
    ):
        found, result = rows(*arguments, "--model", NETWORK, "--batch", "5", stdin=stdin)
        assert result.exit_code == 0, result.output
        assert len(found) == count
        assert "label_3" in found[0]
        assert "label_4" not in found[0]
        by_name = {row["image"].partition("/")[2]: row for row in found}
        for image, row in stored.iterrows():
            if str(image) in by_name:
                own = by_name[str(image)]
                assert own["label"] == row["predicted"]
                assert float(own["probability"]) == pytest.approx(row[own["label"]], abs=1e-5)
                second = float(own["probability_2"])
                assert float(own["margin"]) == pytest.approx(
                    float(own["probability"]) - second, abs=2e-6
                )
                assert own["unknown"] == ""  # six val images do not tell at a level of 5%
                assert own["possible"].split("; ")[0] == own["label"]
        assert "in folders named after a class" in result.stderr
        assert "95% interval" in result.stderr


def test_best_by_default_and_every_row_by_its_name() -> None:
    best = bench.load().name
    told = bench_("predict", "mine/red/03.png", "--top", "2")
    assert f"1 picture by {best}" in told.output
    line = told.output.splitlines()[0]
    assert line.startswith("mine/red/03.png  ")
    assert line.count("%") == 3  # its own probability, the margin, the second's
    by_title = bench_("predict", "mine/red", "--model", "basic cnn")
    assert f"14 pictures by {NETWORK}" in by_title.output


def test_what_cannot_be_read_is_listed_and_the_rest_is_told() -> None:
    odd = Path("odd")
    shutil.copytree("mine/red", odd)
    (odd / "broken.png").write_bytes((odd / "00.png").read_bytes()[:90])
    (odd / "old.tar.gz").write_bytes(b"\x1f\x8b")
    found, result = rows("odd", "-", stdin=f"gone.png\n{'n' * 300}.png\n")
    assert result.exit_code == 1
    assert len(found) == 14
    unread = [line for line in result.stderr.splitlines() if line.startswith("not read: ")]
    assert unread[0].startswith("not read: odd/broken.png: damaged")
    assert unread[1:] == [
        "not read: gone.png: No such file or directory",
        f"not read: {'n' * 300}.png: File name too long",
        "not read: odd/old.tar.gz: an archive; unpack it",
    ]


def test_names_on_standard_input_may_be_any_bytes() -> None:
    name = b"Pok\xe9mon.png"
    shutil.copy("mine/red/00.png", os.fsdecode(name))
    found, result = rows("-", stdin=codecs.BOM_UTF8 + name + b"\r\nmine/red/01.png\n")
    assert result.exit_code == 0, result.output
    assert [row["image"] for row in found] == [r"Pok\xe9mon.png", "mine/red/01.png"]


def test_file_is_written_anew_and_no_other_programs_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> float:
        raise OSError(errno.ENOSPC, "No space left on device")

    arguments = ["predict", "mine/red", "--csv", "out/rows.csv", "--top", "1"]
    for _ in range(2):
        assert bench_(*arguments).exit_code == 0
        with Path("out/rows.csv").open() as file:
            table = list(csv.DictReader(file))
        assert len(table) == 14
        assert [*table[0]] == [
            *("image", "label", "probability", "margin", "p_value", "unknown", "possible")
        ]
    before = Path("out/rows.csv").read_text()
    with monkeypatch.context() as patched:
        patched.setattr(Verdict, "margin", property(lambda self: full()))
        told = bench_("predict", "mine/red", "--csv", "out/rows.csv")
    assert_one_line_error(told, "No space left on device: ", "out/rows.csv; make room")
    assert Path("out/rows.csv").read_text() == before
    Path("mine.csv").write_text("a,b\n1,2\n")
    assert_one_line_error(
        bench_("predict", "mine", "--csv", "mine.csv"), "mine.csv", "not by bench"
    )
    assert Path("mine.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.png"], ["there is no file or folder 'nowhere.png'"]),
        (["no*.png"], ["nothing matches 'no*.png'"]),
        (["mlflow.db"], ["mlflow.db", "not an image"]),
        (["mine", "--model", "basic_cnn-scrach"], ["did you mean basic_cnn-scratch"]),
        (["mine", "--model", "models:/pokedex"], ["pokedex", "bench register"]),
        (["mine", "--batch", "0"], ["--batch", "0"]),
        (["mine", "--batch", "1000000"], ["--batch", "4096"]),
        (["mine", "--seed", "3"], ["no run with this seed, but with 0"]),
        (["mine", "--level", "0.01"], ["--level 0.01 takes at least 99 val images", "on 6;"]),
        ([], ["PATHS"]),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], told: list[str]) -> None:
    assert_one_line_error(bench_("predict", *arguments), *told)


def test_one_unreadable_picture_is_a_mistake() -> None:
    Path("half.png").write_bytes(Path("mine/red/00.png").read_bytes()[:90])
    assert_one_line_error(bench_("predict", "half.png"), "half.png: damaged")


def test_a_table_of_before_stays_where_no_picture_can_be_read() -> None:
    assert bench_("predict", "mine", "--csv", "before.csv").exit_code == 0
    before = Path("before.csv").read_bytes()
    Path("half.png").write_bytes(Path("mine/red/00.png").read_bytes()[:90])
    assert_one_line_error(bench_("predict", "half.png", "--csv", "before.csv"), "half.png: damaged")
    assert Path("before.csv").read_bytes() == before


def test_colours_are_told_and_what_is_between_them_is_unknown() -> None:
    Image.new("RGB", (40, 30), (128, 128, 128)).save("grey.png")
    found, _ = rows("mine", "grey.png", "--level", "0.5")
    told = {row["image"]: (row["label"], row["unknown"]) for row in found}
    assert told.pop("grey.png")[1] == "true"
    assert told == {image: (image.split("/")[1], "false") for image in told}


def test_without_a_store_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new/mlflow.db")
    for command in (["predict", "mine"], ["explain", "mine"], ["catalogue", "mine"], ["register"]):
        assert_one_line_error(bench_(*command), "has no experiment", "bench run --all")
    assert not [*tmp_path.iterdir()]
