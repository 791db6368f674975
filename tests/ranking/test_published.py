"""The word that tells how a measured accuracy stands to the published one."""

import pandas as pd
import pytest

from benchmark.ranking.published import beside_study

PUBLISHED = 0.7109
LIKE_THE_STUDY = {
    "study_accuracy": PUBLISHED,
    "test_images": 2265,
    "classes": 151,
    "images": 15_100,
    "image_size_px": 240,
    "weights": "none",
    "preset": "study",
    "epochs": 25,
}


def compared(**row: object) -> pd.Series:
    return beside_study(pd.DataFrame([{**LIKE_THE_STUDY, **row}])).iloc[0]


@pytest.mark.parametrize(
    ("accuracy", "images", "verdict"),
    [
        (PUBLISHED, 2265, "agrees"),
        (PUBLISHED + 0.02, 2265, "agrees"),
        (PUBLISHED - 0.02, 2265, "agrees"),
        (PUBLISHED + 0.03, 2265, "above"),
        (PUBLISHED - 0.03, 2265, "below"),
        (PUBLISHED - 0.03, 300, "agrees"),  # so few images cannot tell
    ],
)
def test_a_word_says_how_it_stands_to_the_study(accuracy: float, images: int, verdict: str) -> None:
    row = compared(test_accuracy=accuracy, test_images=images)
    assert row["study_verdict"] == verdict
    assert row["study_difference"] == pytest.approx(accuracy - PUBLISHED)
    assert row["study_difference_low"] < row["study_difference"] < row["study_difference_high"]


@pytest.mark.parametrize(
    ("row", "other"),
    [
        ({"classes": 40}, "data"),
        ({"images": 6800}, "data"),
        ({"image_size_px": 64}, "size"),
        ({"weights": "demo"}, "weights"),
        ({"weights": "imagenet", "preset": "tuned"}, "settings"),
        ({"epochs": 5}, "settings"),
        ({"classes": 40, "epochs": 5}, "data, settings"),
    ],
)
def test_what_differs_from_the_study_is_not_compared(row: dict[str, object], other: str) -> None:
    found = compared(test_accuracy=PUBLISHED + 0.2, **row)
    assert found["study_verdict"] == f"not comparable: other {other}"


def test_nothing_stands_beside_what_the_study_has_not() -> None:
    found = compared(test_accuracy=0.5, study_accuracy=None)
    assert found["study_verdict"] == ""
    assert pd.isna(found["study_difference"])
