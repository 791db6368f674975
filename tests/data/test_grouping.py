"""Groups of copies: never on both sides of a split, never in val or test if in two classes."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from benchmark.data import grouping
from benchmark.data.checks import audit, check_classes, warnings
from benchmark.data.grouping import examine, group_copies
from benchmark.data.identity import fingerprint
from benchmark.data.prepared import PreparedData, prepare
from benchmark.data.selection import find_images, select_images
from benchmark.data.sources import Source, folder_source
from benchmark.study.config import Config, DataConfig
from registry.errors import UserError
from tests.data.planted import TAMPERED, scene

CLASSES = {"abra": 0, "kadabra": 100, "zubat": 200}


def write(folder: Path, name: str, picture: Image.Image) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 20; each fourth image has a tampered copy, two lie in another class."""
    folder = tmp_path_factory.mktemp("mine") / "monsters"
    ways = list(TAMPERED.values())
    for label, first in CLASSES.items():
        for i in range(20):
            write(folder, f"{label}/{i:02}.png", scene(first + i))
        for i in range(0, 20, 4):
            copy = ways[(i // 4) % len(ways)](scene(first + i))
            write(folder, f"{label}/copy{i:02}.png", copy)
    write(folder, "kadabra/taken.png", TAMPERED["cropped"](scene(1)))
    (folder / "zubat/taken.png").write_bytes((folder / "kadabra/05.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def selected(folder: Path, home: Path, **settings: int) -> Source:
    config = Config(data=DataConfig(source=str(folder), **settings))
    return select_images(config, find_images(config, home))


def divided(source: Source, home: Path, seed: int = 0) -> PreparedData:
    return prepare(source, image_size=16, seed=seed, home=home)


def parts(data: PreparedData) -> dict[str, str]:
    names = (sample.name for sample in data.samples)
    return dict(zip(names, data.splits.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_near_copies_share_a_part(folder: Path, home: Path, seed: int) -> None:
    of = parts(divided(selected(folder, home), home, seed))
    for label in CLASSES:
        for i in range(0, 20, 4):
            assert of[f"{label}/{i:02}.png"] == of[f"{label}/copy{i:02}.png"]
    assert set(of.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("seed", range(3))
def test_an_image_of_two_classes_is_trained_on(folder: Path, home: Path, seed: int) -> None:
    of = parts(divided(selected(folder, home), home, seed))
    two = ["abra/01.png", "kadabra/taken.png", "kadabra/05.png", "zubat/taken.png"]
    assert {of[name] for name in two} == {"train"}


def test_what_is_found_is_told_the_worst_first(folder: Path, home: Path) -> None:
    data = divided(selected(folder, home), home)
    told = [(finding.kind, finding.name, finding.detail) for finding in audit(data)]
    assert told[:2] == [
        ("near copy in another class", "kadabra/taken.png", "of abra/01.png"),
        ("copy in another class", "zubat/taken.png", "of kadabra/05.png"),
    ]
    assert [kind for kind, _, _ in told[2:]] == ["near copy"] * 15
    line = "15 copies, which share a part; 2 images also in another class, which are trained on"
    assert warnings(data) == [f"{line}; bench data DIR lists all"]


def test_limited_training_data_keep_their_groups(folder: Path, home: Path) -> None:
    whole, few = selected(folder, home), selected(folder, home, images_per_class=5)
    groups = {file.name: file.group for file in whole.files}
    assert {file.name: file.group for file in few.files}.items() <= groups.items()
    held_out = {name for name, part in parts(divided(whole, home)).items() if part != "train"}
    assert {name for name, part in parts(divided(few, home)).items() if part != "train"} == held_out


def test_files_are_looked_at_once(folder: Path, home: Path) -> None:
    source = folder_source(folder)
    count = len(source.files)
    hashed: list[tuple[int, int]] = []
    first = examine(source, home)
    again = examine(source, home, lambda done, total: hashed.append((done, total)))
    assert hashed == [(done, count) for done in range(1, count + 1)]
    examine(again.source, home, lambda done, total: pytest.fail("it is hashed and known"))
    assert again == first
    assert len(first.looks) == count


def test_groups_are_part_of_a_data_sets_identity(folder: Path, home: Path) -> None:
    examined = examine(folder_source(folder), home)
    assert fingerprint(examined.source) != fingerprint(group_copies(examined))


def test_small_pictures_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for name, seed in (("a/0", 1), ("a/1", 2), ("b/0", 3), ("b/1", 4)):
        write(tmp_path / "mine", f"{name}.png", scene(seed, (40, 30)))
    write(tmp_path / "mine", "a/2.png", TAMPERED["recompressed"](scene(1, (40, 30))))
    examined = examine(folder_source(tmp_path / "mine"), tmp_path)
    assert examined.pairs == []
    assert [one.name for one in group_copies(examined).findings] == [
        "not looked for in 5 images under 32 pixels"
    ]


def test_a_film_does_not_become_one_group(tmp_path: Path) -> None:
    for i in range(30):  # all of one scene
        frame = scene(1).copy()
        frame.putpixel((i, 0), (255, 0, 0))
        write(tmp_path / "mine", f"film/{i:02}.png", frame)
        write(tmp_path / "mine", f"other/{i:02}.png", scene(500 + i))
    source = group_copies(examine(folder_source(tmp_path / "mine"), tmp_path))
    groups = [file.group for file in source.files if file.label == "film"]
    assert max(map(groups.count, groups)) == 30 // 5
    data = divided(source, tmp_path)
    assert data.too_small() == {}


def hands(folder: Path, mirrored: int) -> Path:
    """Two classes of 20; so many of the second are of the first, in the mirror."""
    for i in range(20):
        write(folder, f"left/{i:02}.png", scene(i))
        right = ImageOps.mirror(scene(i)) if i < mirrored else scene(100 + i)
        write(folder, f"right/{i:02}.png", right)
    return folder


@pytest.mark.parametrize(("mirrored", "kept_out"), [(20, 0), (4, 4)])
def test_classes_that_are_like_each_other_are_no_copies(
    tmp_path: Path, mirrored: int, kept_out: int
) -> None:
    data = divided(selected(hands(tmp_path / "hands", mirrored), tmp_path), tmp_path)
    check_classes(data)
    found = audit(data)
    across = [one.name for one in found if one.kind == "near copy in another class"]
    assert len(across) == kept_out
    alike = [(one.name, one.detail) for one in found if one.kind == "class like another"]
    told = "20 images nearly as in other classes: not taken for copies of them"
    assert alike == ([] if kept_out else [("left", told), ("right", told)])


def test_near_copies_can_be_let_alone(folder: Path, home: Path) -> None:
    data = divided(selected(folder, home, near_copies=False), home)
    told = [(one.kind, one.name) for one in audit(data) if "copy" in one.kind]
    assert told == [("copy in another class", "zubat/taken.png")]


@pytest.mark.parametrize("near", [False, True])
def test_classes_too_small_since_others_have_their_images_say_so(
    tmp_path: Path, near: bool
) -> None:
    folder = tmp_path / "mine"
    for i in range(4):
        write(folder, f"a/{i}.png", scene(i))
        write(folder, f"b/{i}.png", scene(i) if i < 3 else scene(10 + i))
    if near:
        write(folder, "b/1.png", TAMPERED["smaller"](scene(1)))
    data = divided(selected(folder, tmp_path), tmp_path)
    with pytest.raises(UserError) as refused:
        check_classes(data)
    told = "; 6 images of theirs also in another class, and thus for train); add different"
    assert told in str(refused.value)
    assert ("near_copies=false" in str(refused.value)) == near


@pytest.mark.parametrize(
    ("limit", "kind", "told"),
    [
        ("MOST", "near copies", "not looked for among more than 5 images"),
        ("CROPS_OF_ALL", "cropped copies", "looked for within classes among more than 5 images"),
    ],
)
def test_what_is_not_looked_for_among_so_many_images_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, kind: str, told: str
) -> None:
    monkeypatch.setattr(grouping, limit, 5)
    data = divided(selected(folder, tmp_path), tmp_path)
    assert warnings(data)[0] == f"{kind}: {told}"
    large = f"cropped copies not looked for: {', '.join(sorted(CLASSES))}"
    assert (large in warnings(data)) == (limit == "CROPS_OF_ALL")
    near = [one for one in audit(data) if one.kind == "near copy"]
    assert bool(near) == (limit != "MOST")


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its own train and test, with a near copy across them and one across classes, too."""
    folder = tmp_path_factory.mktemp("parted") / "own"
    for label, first in {"abra": 0, "zubat": 200}.items():
        for i in range(12):
            write(folder, f"{'test' if i < 4 else 'train'}/{label}/{i:02}.png", scene(first + i))
    write(folder, "train/abra/leak.png", TAMPERED["mirrored"](scene(0)))
    write(folder, "train/zubat/taken.png", TAMPERED["recompressed"](scene(1)))
    return folder


def test_copies_across_given_parts_leave_the_training_data(parted: Path, home: Path) -> None:
    data = divided(selected(parted, home), home)
    left_out = {one.name: one.reason for one in data.left_out}
    assert left_out == {
        "train/abra/leak.png": "a copy of test/abra/00.png, which is in test",
        "test/abra/01.png": "the same picture is in another class: train/zubat/taken.png",
    }
    assert sum(part == "test" for part in parts(data).values()) == 7
    assert [data.samples[row].name for row in data.rows("test") if data.samples[row].shared] == [
        "test/abra/00.png"
    ]
    assert "1 image of val and test whose copies in other parts are left out" in warnings(data)[0]
    assert {one.other for one in data.left_out} == {"", "train/zubat/taken.png"}
