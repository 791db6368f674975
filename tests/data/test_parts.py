"""Parts: folders of train, val and test are known, whatever they are called, and nothing else."""

from pathlib import Path

import pytest

from benchmark.data.sources import folder_source
from benchmark.study.config import DataConfig
from registry.errors import UserError
from tests.data.images import write_tree
from tests.data.trees import DIVIDED, findings, labels, left_out, parts


@pytest.mark.parametrize(
    "folders",
    [
        ("training_set/training_set", "test_set/test_set"),
        ("training_set/training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TrainSet", "TestSet"),
        ("trainset", "testset"),
        ("pets-train-224", "pets-test-224"),
        ("train2017", "test2017"),
        ("TRAIN", "Evaluation"),
        ("train/images", "test/images"),
        ("01_train_images", "02_test_images"),
        ("wrapper/data/Training", "wrapper/data/Testing"),
    ],
)
def test_parts_of_the_wild_are_known(tmp_path: Path, folders: tuple[str, str]) -> None:
    counts = {f"{folder}/{name}": 2 for folder in folders for name in ("cat", "dog")}
    source = folder_source(write_tree(tmp_path, counts))
    assert labels(source.files) == {"cat": 4, "dog": 4}
    assert {(file.split, file.path.relative_to(tmp_path).parts[-2]) for file in source.files} == {
        (split, name) for split in ("train", "test") for name in ("cat", "dog")
    }
    assert all(
        (file.split == "train") == ("rain" in str(file.path.relative_to(tmp_path)).lower())
        for file in source.files
    )
    assert source.left_out == ()


@pytest.mark.parametrize("names", [("train", "test"), ("train", "valid", "test")])
def test_parts_without_class_folders_are_no_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = write_tree(tmp_path, dict.fromkeys(names, 4))
    (folder / "labels.csv").write_text("id,breed\n000,pug\n")
    told = r"hold no class folders; .* train/CLASS and test/CLASS, or add --classes-at 1"
    with pytest.raises(UserError, match=told):
        folder_source(folder)
    source = folder_source(folder, DataConfig(classes_at=1))
    assert labels(source.files) == dict.fromkeys(names, 4)


def test_parts_with_unlabelled_pictures_beside_them(tmp_path: Path) -> None:
    counts = {f"seg_{p}/seg_{p}/{name}": 3 for p in ("train", "test") for name in ("sea", "ice")}
    source = folder_source(write_tree(tmp_path, {**counts, "seg_pred/seg_pred": 2}))
    assert labels(source.files) == {"sea": 6, "ice": 6}
    assert left_out(source) == {
        f"seg_pred/seg_pred/{i:03}.png": "beside the folders of train, val and test" for i in (0, 1)
    }


def test_each_class_may_be_divided_itself(tmp_path: Path) -> None:
    counts = {f"{name}/{part}": 2 for name in ("cat", "dog") for part in ("train", "valid", "test")}
    source = folder_source(write_tree(tmp_path, counts))
    assert labels(source.files) == {"cat": 6, "dog": 6}
    assert {(file.path.parent.name, file.split) for file in source.files} == {
        ("train", "train"),
        ("valid", "val"),
        ("test", "test"),
    }


@pytest.mark.parametrize(
    "names", [("test tube", "train station"), ("train", "bus"), ("val", "test")]
)
def test_classes_whose_names_hold_such_words_are_no_parts(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    source = folder_source(write_tree(tmp_path, {f"{name}/big": 2 for name in names}))
    assert labels(source.files) == dict.fromkeys(names, 2)
    assert {file.split for file in source.files} == {None}


def test_parts_may_be_the_classes_if_that_is_meant(tmp_path: Path) -> None:
    counts = {f"{part}/{name}": 2 for part in ("train", "test") for name in ("red", "blue")}
    source = folder_source(write_tree(tmp_path, counts), DataConfig(classes_at=1))
    assert labels(source.files) == {"test": 4, "train": 4}
    assert {file.split for file in source.files} == {None}


def test_val_that_stands_for_the_test_is_told(tmp_path: Path) -> None:
    counts = {f"{part}/{name}": 2 for part in ("train", "val") for name in ("cat", "dog")}
    source = folder_source(write_tree(tmp_path, counts))
    assert findings(source) == [("parts", "val")]


def test_unlabelled_test_images_are_named(tmp_path: Path) -> None:
    source = folder_source(
        write_tree(tmp_path, {"train/abra": 3, "train/zubat": 3, "test/test": 2})
    )
    assert labels(source.files) == {"abra": 3, "zubat": 3}
    assert left_out(source) == {f"test/test/{i:03}.png": "in no class folder" for i in (0, 1)}


@pytest.mark.parametrize(
    ("trained", "unlabelled"),
    [
        (("train/cat", "train/dog"), ("test/unknown",)),
        (("train/n01/images", "train/n02/images"), ("val/images", "test/images")),
    ],
)
def test_parts_without_a_class_of_train_are_left_out(
    tmp_path: Path, trained: tuple[str, ...], unlabelled: tuple[str, ...]
) -> None:
    source = folder_source(write_tree(tmp_path, dict.fromkeys((*trained, *unlabelled), 3)))
    assert labels(source.files) == {name.split("/")[1]: 3 for name in trained}
    assert {file.split for file in source.files} == {None}
    assert left_out(source) == {
        f"{part}/{i:03}.png": "in no class that train has" for part in unlabelled for i in range(3)
    }


def test_parts_may_write_a_class_in_different_ways(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train/Cat": 5, "train/dog": 5, "test/cat": 2, "test/Dog ": 2})
    source = folder_source(tmp_path)
    assert labels(source.files) == {"Cat": 7, "dog": 7}
    assert findings(source) == [("class names alike", "Cat"), ("class names alike", "dog")]


def test_divided_tree_gives_each_file_its_part(tmp_path: Path) -> None:
    files = folder_source(write_tree(tmp_path, DIVIDED)).files
    assert labels(files) == {"abra": 6, "zubat": 6}
    assert parts(files) == {("train", "train"), ("val", "val"), ("test", "test")}
    assert files[0].name == "test/abra/000.png"


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Training", "Validation", "Testing"), ("train", "val", "test")),
        (("train", "valid", "test"), ("train", "val", "test")),
        (("train", "test"), ("train", "test")),
        # Without a test part, what was held out for validation is the test.
        (("train", "val"), ("train", "test")),
    ],
)
def test_parts_have_many_names(
    tmp_path: Path, folders: tuple[str, ...], splits: tuple[str, ...]
) -> None:
    counts = {f"{folder}/{name}": 2 for folder in folders for name in ("abra", "zubat")}
    files = folder_source(write_tree(tmp_path, counts)).files
    assert parts(files) == set(zip(folders, splits, strict=True))
    assert labels(files) == {"abra": 2 * len(folders), "zubat": 2 * len(folders)}


def test_unlabelled_test_images_leave_the_train_folder_as_the_data_set(tmp_path: Path) -> None:
    write_tree(tmp_path, {"train/abra": 3, "train/zubat": 3, "test": 5})
    files = folder_source(tmp_path).files
    assert labels(files) == {"abra": 3, "zubat": 3}
    assert {file.split for file in files} == {None}


def test_class_may_be_called_like_a_part(tmp_path: Path) -> None:
    files = folder_source(write_tree(tmp_path, {"test": 3, "train": 3, "exam": 2})).files
    assert labels(files) == {"test": 3, "train": 3, "exam": 2}
    assert {file.split for file in files} == {None}


def test_class_called_test_lies_in_each_part(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 2 for split in ("train", "test") for name in ("test", "exam")}
    files = folder_source(write_tree(tmp_path, counts)).files
    assert labels(files) == {"test": 4, "exam": 4}
    assert parts(files) == {("train", "train"), ("test", "test")}


def test_stray_folders_beside_the_parts_are_no_classes(tmp_path: Path) -> None:
    write_tree(tmp_path, DIVIDED | {"samples": 3, "figures": 3})
    assert labels(folder_source(tmp_path).files) == {"abra": 6, "zubat": 6}
