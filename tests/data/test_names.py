"""Numbers of things are told as people tell them."""

from __future__ import annotations

import pytest

from benchmark.data.names import counted


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "image", "0 images"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (1000, "copy", "1,000 copies"),
    ],
)
def test_nouns_follow_their_number(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told
