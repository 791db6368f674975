"""Demo images: reproducible, shaped like the study's data, and hard but possible to tell apart."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier

from benchmark.data.demo import SPECIES_LIMIT, DemoSpec, species_names, write_demo

SPEC = DemoSpec()
FAMILIES = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])  # of the first ten species
SMALL = DemoSpec(species=3, images_per_species=4, first_species=7, seed=5)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(SPEC, folder)
    return folder


@pytest.fixture(scope="module")
def pixels(demo: Path) -> NDArray[np.float64]:
    """Every image as 16x16 RGB, shape (species, images, 768)."""
    return np.array(
        [
            [_pixels(file) for file in sorted((demo / name).iterdir())]
            for name in species_names(SPEC)
        ]
    )


def _pixels(file: Path) -> NDArray[np.float64]:
    with Image.open(file) as image:
        layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    flat = Image.alpha_composite(white, layer).convert("RGB")
    return np.asarray(flat.resize((16, 16), Image.Resampling.BOX)).ravel() / 255


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def _written(spec: DemoSpec, folder: Path) -> dict[str, bytes]:
    write_demo(spec, folder)
    return _contents(folder)


def test_same_spec_writes_same_bytes(tmp_path: Path) -> None:
    assert _written(SMALL, tmp_path / "a") == _written(SMALL, tmp_path / "b")


def test_drawing_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_demo(SMALL, tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(done, 12) for done in range(1, 13)]


def test_images_of_a_species_differ(demo: Path) -> None:
    contents = _contents(demo)
    assert len(set(contents.values())) == len(contents)


def test_image_depends_on_neither_count_nor_other_species(tmp_path: Path) -> None:
    one = _written(
        DemoSpec(species=1, images_per_species=2, first_species=8, seed=5), tmp_path / "one"
    )
    assert len(one) == 2
    assert one.items() <= _written(SMALL, tmp_path / "many").items()


def test_seed_changes_images_but_not_names(tmp_path: Path) -> None:
    other = DemoSpec(species=3, images_per_species=4, first_species=7, seed=6)
    assert species_names(SMALL) == species_names(other)
    first, second = _written(SMALL, tmp_path / "a"), _written(other, tmp_path / "b")
    assert not set(first.values()) & set(second.values())


def test_names_are_unique_folder_names() -> None:
    names = species_names(DemoSpec(species=SPECIES_LIMIT))
    assert len({name.lower() for name in names}) == SPECIES_LIMIT > 2000
    assert all(name.isascii() and name.isalpha() and 4 <= len(name) <= 16 for name in names)


def test_names_follow_the_species_number() -> None:
    names = species_names(DemoSpec(species=30))
    assert species_names(DemoSpec(species=10, first_species=20)) == names[20:]


def test_one_folder_of_numbered_images_per_species(demo: Path) -> None:
    assert sorted(folder.name for folder in demo.iterdir()) == sorted(species_names(SPEC))
    for folder in demo.iterdir():
        files = sorted(folder.iterdir())
        assert [file.stem for file in files] == [f"{k:03d}" for k in range(40)]


def test_images_decode_as_their_suffix_says(demo: Path) -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    for file in demo.glob("*/*"):
        with Image.open(file) as image:
            image.load()
            assert image.format == {".jpg": "JPEG", ".png": "PNG"}[file.suffix]
            kinds[file.suffix, image.mode] += 1
    assert set(kinds) == {(".jpg", "RGB"), (".png", "RGB"), (".png", "RGBA")}
    assert kinds[".jpg", "RGB"] > 200
    assert kinds[".png", "RGBA"] < 60


def test_sizes_follow_the_study(demo: Path) -> None:
    sizes = Counter(Image.open(file).size for file in demo.glob("*/*"))
    assert 0.75 < sizes[240, 240] / sizes.total() < 0.87
    assert sizes[240, 240] > 20 * max(n for size, n in sizes.items() if size != (240, 240))
    ratios = [width / height for width, height in sizes]
    assert len(sizes) > 30
    assert min(ratios) < 0.5
    assert max(ratios) > 2
    assert all(150 <= side <= 1920 for size in sizes for side in size)


def test_family_members_look_more_alike_than_strangers(pixels: NDArray[np.float64]) -> None:
    means = pixels.mean(axis=1)
    alike = np.corrcoef(means - means.mean(axis=0))
    pairs = list(combinations(range(len(means)), 2))
    relatives = [alike[a, b] for a, b in pairs if FAMILIES[a] == FAMILIES[b]]
    strangers = [alike[a, b] for a, b in pairs if FAMILIES[a] != FAMILIES[b]]
    assert np.mean(relatives) > np.mean(strangers) + 0.3


def test_learnable_but_not_trivial(pixels: NDArray[np.float64]) -> None:
    species, images, features = pixels.shape
    held_out = np.arange(images) % 4 == 0
    labels = np.broadcast_to(np.arange(species)[:, None], (species, images))
    forest = RandomForestClassifier(200, random_state=0)
    forest.fit(pixels[:, ~held_out].reshape(-1, features), labels[:, ~held_out].ravel())
    truth = labels[:, held_out].ravel()
    guess = forest.predict(pixels[:, held_out].reshape(-1, features))
    assert 0.25 < (guess == truth).mean() < 0.75
    wrong = guess != truth
    # A stranger's guess would hit the family in about 0.16 of errors.
    assert (FAMILIES[guess] == FAMILIES[truth])[wrong].mean() > 0.25


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"species": 0}, "species must be at least 1, not 0"),
        ({"images_per_species": 0}, "images_per_species must be at least 1"),
        ({"first_species": -1}, "first_species must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"first_species": SPECIES_LIMIT}, f"below {SPECIES_LIMIT}"),
    ],
)
def test_impossible_spec_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemoSpec(**values)


def test_existing_class_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / species_names(SMALL)[0]).mkdir()
    with pytest.raises(FileExistsError):
        write_demo(SMALL, tmp_path)
