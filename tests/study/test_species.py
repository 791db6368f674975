import pytest

from benchmark.study.species import SPECIES, is_studied
from benchmark.study.suite import STUDY_CLASSES


def test_the_study_told_151_species_apart() -> None:
    assert len(SPECIES) == STUDY_CLASSES


@pytest.mark.parametrize(
    ("class_names", "studied"),
    [
        (["Abra", "pikachu"], True),
        (["Mr. Mime", "Farfetch\u2019d", "Nidoran\u2640", "nidoran_m", "FARFETCHD"], True),
        ([f"{name}" for name in sorted(SPECIES)] + ["other", "missing_no"], True),
        (["Abra", "cat"], False),
        (["cat", "dog"], False),
        (["0", "1"], False),
        (["日本語", "***"], False),
    ],
)
def test_the_names_of_classes_tell_the_studys_kind_of_data(
    class_names: list[str], studied: bool
) -> None:
    assert is_studied(class_names) == studied
