"""The page that shows the images which tell two systems apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import main
from tests.report.page import read

TINY = ("--set", "data.image_size=32", "--set", "train.batch_size=8", "--no-explain")


def bench(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("store")
def test_two_seeds_are_compared_with_pictures_and_without_the_images(image_folder: Path) -> None:
    short = ("--set", "train.epochs=1", "--set", "train.lr=1e-9")
    ran = bench("run", "basic_cnn", "--data", str(image_folder), *TINY, *short, "--seeds", "0,7")
    assert "seeds 0, 7" in ran.output
    assert "basic_cnn-scratch (seed 7): test accuracy" in ran.output
    assert "chance (33.3%): Basic CNN" in ran.output
    listed = bench("ls", "runs", "--format", "csv").output
    ids = [
        line.split(",")[-2] for line in listed.splitlines() if line.startswith("basic_cnn-scratch,")
    ]
    assert len(ids) == 2
    told = bench("compare", *ids)
    page = read(Path("compare.html"))
    differ = bench("compare", *ids, "--table", "images", "--format", "csv").output.splitlines()[1:]
    assert differ  # untrained networks name one class each, and not the same
    assert f"{len(differ)} images that some have right and others wrong" in told.output
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == len(differ)
    assert all(address.startswith("data:") for address in page.addresses)
    text = " ".join(page.text.split())
    for image, true, *said in (line.split(",") for line in differ):
        marked = [f"{'✓' if one == true else '✗'} {one}" for one in said]
        figures = [f"{one}{id_}" for one, id_ in zip(marked, ids, strict=True)]
        assert " ".join([f"{true}{image}", *figures]) in text
    shutil.rmtree("home/data")
    told = bench("compare", *ids)
    assert "0 with a picture" in told.output
    assert "no longer kept here" in read(Path("compare.html")).text
