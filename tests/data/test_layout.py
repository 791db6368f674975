"""Layouts: whatever tree people have, each image has its class and part, or a reason why not."""

import unicodedata
from pathlib import Path

import pytest

from benchmark.data.sources import folder_source
from benchmark.study.config import DataConfig
from registry.errors import UserError
from tests.data.images import png, write_tree
from tests.data.trees import DIVIDED, FLAT, findings, labels, left_out

NESTED = {f"{name}/{place}": 8 for name in ("cat", "dog") for place in ("indoor", "outdoor")}


def test_folders_in_folders_can_be_read_in_two_ways(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "n", NESTED)
    with pytest.raises(UserError) as info:
        folder_source(folder)
    assert str(info.value) == (
        f"{folder} can be read in 2 ways: --classes-at 1 for the classes cat, dog (32 images); or "
        "--classes-at 2 for the classes indoor, outdoor (32 images). "
        "Add the one that you mean, or name a folder further down"
    )
    for depth, classes in ((1, {"cat": 16, "dog": 16}), (2, {"indoor": 16, "outdoor": 16})):
        assert labels(folder_source(folder, DataConfig(classes_at=depth)).files) == classes


def test_uneven_folders_can_be_read_in_two_ways(tmp_path: Path) -> None:
    write_tree(tmp_path, {"cat": 8, "dog/indoor": 8, "dog/outdoor": 8})
    with pytest.raises(UserError, match=r"cat, dog \(24 images\); or .*\(16 images, 8 left out\)"):
        folder_source(tmp_path)
    source = folder_source(tmp_path, DataConfig(classes_at=2))
    assert labels(source.files) == {"indoor": 8, "outdoor": 8}
    assert left_out(source) == {f"cat/{i:03}.png": "in no class folder" for i in range(8)}


def test_every_depth_that_has_classes_is_offered(tmp_path: Path) -> None:
    folder = write_tree(tmp_path, {f"{a}/img/{b}": 3 for a in ("cat", "dog") for b in "xyz"})
    with pytest.raises(
        UserError, match=r"2 ways: --classes-at 1 .*; or --classes-at 3 .* x, y, z "
    ):
        folder_source(folder)


def test_images_below_a_class_are_its_own(tmp_path: Path) -> None:
    write_tree(tmp_path, {"cat": 8, "dog": 8, "cat/more": 20, "dog/more": 20, "dog/more/old": 1})
    source = folder_source(tmp_path)
    assert labels(source.files) == {"cat": 28, "dog": 29}
    assert source.left_out == ()


def test_class_folders_that_hold_images_settle_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"cat": 8, "dog": 8, "cat/indoor": 2, "dog/outdoor": 3})
    assert labels(folder_source(tmp_path).files) == {"cat": 10, "dog": 11}


def test_classes_in_parts_can_be_read_in_two_ways(tmp_path: Path) -> None:
    counts = {f"{part}/{name}": 2 for part in ("train", "test") for name in NESTED}
    with pytest.raises(UserError, match=r"--classes-at 2 for .*cat, dog.* --classes-at 3 for"):
        folder_source(write_tree(tmp_path, counts))
    source = folder_source(tmp_path, DataConfig(classes_at=3))
    assert labels(source.files) == {"indoor": 8, "outdoor": 8}
    assert {file.split for file in source.files} == {"train", "test"}


def test_depth_without_classes_is_an_error_that_shows_all(tmp_path: Path) -> None:
    write_tree(tmp_path, NESTED)
    with pytest.raises(
        UserError, match="no classes at depth 3; at 1 are cat, dog; at 2 are indoor"
    ):
        folder_source(tmp_path, DataConfig(classes_at=3))


def test_class_folders_without_an_image_are_told(tmp_path: Path) -> None:
    write_tree(tmp_path, {**FLAT, "empty": 0, "class10": 0, "class9": 0})
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "one.pdf").write_bytes(b"%PDF-1.4")
    assert findings(folder_source(tmp_path)) == [
        ("no images", name) for name in ("class9", "class10", "empty", "papers")
    ]


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"{i}": 1 for i in (10, 0, 2, 11, 1)})
    for name in ("img10.png", "img9.png"):
        (tmp_path / "2" / name).write_bytes(png(name))
    files = folder_source(tmp_path).files
    assert list(labels(files)) == ["0", "1", "2", "10", "11"]
    assert [file.rest for file in files if file.label == "2"] == [
        "000.png",
        "img9.png",
        "img10.png",
    ]


def test_normal_forms_of_a_name_are_one_class(tmp_path: Path) -> None:
    name = "Café"
    composed, taken_apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    write_tree(tmp_path, {f"{p}/{n}": 3 for p in ("train", "val") for n in (composed, "Tea")})
    write_tree(tmp_path, {f"test/{taken_apart}": 3, "test/Tea": 3})
    source = folder_source(tmp_path)
    assert labels(source.files) == {composed: 9, "Tea": 9}
    assert {file.split for file in source.files} == {"train", "val", "test"}


def test_classes_side_by_side_stay_apart_though_names_are_alike(tmp_path: Path) -> None:
    source = folder_source(write_tree(tmp_path, {"a": 2, "A": 3, "b": 2}))
    assert labels(source.files) == {"a": 2, "A": 3, "b": 2}
    (finding,) = source.findings
    assert (finding.name, finding.detail) == (
        "A",
        "also written 'a': taken for classes of their own",
    )


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    files = folder_source(write_tree(tmp_path, FLAT)).files
    assert labels(files) == FLAT
    assert [file.name for file in files][:4] == [
        "abra/000.png",
        "abra/001.png",
        "abra/002.png",
        "bulbasaur/000.png",
    ]
    assert {file.split for file in files} == {None}
    assert all(file.path == tmp_path / file.name and file.path.is_file() for file in files)


@pytest.mark.parametrize("counts", [FLAT, DIVIDED], ids=["flat", "divided"])
def test_tree_may_lie_deep_inside_a_download(tmp_path: Path, counts: dict[str, int]) -> None:
    write_tree(tmp_path / "download" / "archive (1)" / "images", counts)
    write_tree(tmp_path / "plain", counts)
    (tmp_path / "download" / "licence.txt").write_text("free")
    deep = folder_source(tmp_path / "download").files
    assert [(f.name, f.label, f.split) for f in deep] == [
        (f.name, f.label, f.split) for f in folder_source(tmp_path / "plain").files
    ]


def test_stray_folders_do_not_hide_the_classes(tmp_path: Path) -> None:
    write_tree(tmp_path, {"abra": 20, "zubat": 20})
    write_tree(tmp_path / "results", {"run1": 1, "run2": 1, "run3": 1})
    with pytest.raises(UserError, match=r"classes run1, run2, run3 \(3 images, 40 left out\)"):
        folder_source(tmp_path)
    source = folder_source(tmp_path, DataConfig(classes_at=1, min_images=4))
    assert labels(source.files) == {"abra": 20, "zubat": 20}
    assert findings(source) == [("class left out", "results")]


def test_class_names_may_hold_any_character(tmp_path: Path) -> None:
    names = ["Farfetch'd", "Mr. Mime", "Nidoran♀", "日本", "a=b;c,[d] $x$", "-x"]
    files = folder_source(write_tree(tmp_path, dict.fromkeys(names, 2))).files
    assert labels(files) == dict.fromkeys(names, 2)


@pytest.mark.parametrize("counts", [{}, {"abra": 3}, {"train/abra": 3, "test/abra": 3}])
def test_folder_without_classes_says_how_to_lay_them_out(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    write_tree(tmp_path, counts)
    (tmp_path / "image.png").write_bytes(png("image"))
    with pytest.raises(ValueError, match=r"no class folders; put .*/CLASS/IMAGE.jpg, or train/"):
        folder_source(tmp_path)
