from collections.abc import Sequence

import pytest

from benchmark.study.seeds import read_seeds
from registry import UserError


@pytest.mark.parametrize(
    ("given", "seeds"),
    [("3", (0, 1, 2)), (2, (0, 1)), ("0,3,7", (0, 3, 7)), (" 5, 1", (5, 1)), ([4], (4,))],
)
def test_a_number_says_how_many_and_a_list_which(
    given: str | int | Sequence[int], seeds: tuple[int, ...]
) -> None:
    assert read_seeds(given) == seeds


@pytest.mark.parametrize("given", ["", "0", "-1", "two", "1,,2", "3,3", "1,4294967296", "9999", []])
def test_what_is_no_seeds_is_told_in_one_line(given: str | Sequence[int]) -> None:
    with pytest.raises(UserError, match=r"^--seeds"):
        read_seeds(given)
