import numpy as np
import pandas as pd

from benchmark.report.reliability import diagram, verdict


def predictions(sure: float, right: int, images: int = 100) -> pd.DataFrame:
    correct = [place < right for place in range(images)]
    return pd.DataFrame({"probability": [sure] * images, "correct": correct})


def test_a_picture_has_a_point_for_each_bin_with_images() -> None:
    both = pd.concat([predictions(0.95, 50), predictions(0.15, 15, 50)])
    drawn = diagram(both)
    assert drawn.count("<circle") == 2
    assert "95% sure, 50% right: 100 images" in drawn
    assert "15% sure, 30% right: 50 images" in drawn
    # Points are above each other where accuracy rises, and y points down.
    assert 'cx="158.4" cy="90.0"' in drawn


def test_words_tell_who_is_too_sure() -> None:
    assert verdict(predictions(0.95, 50)) == "95% sure, 50% right: too sure"
    assert verdict(predictions(0.5, 95)) == "50% sure, 95% right: not sure enough"
    assert verdict(predictions(0.9, 88)) == "90% sure, 88% right"
    assert verdict(predictions(1.0, 10, 10)) == "100% sure, 100% right"


def test_of_100_that_are_as_often_right_as_sure_few_are_told_otherwise() -> None:
    rng = np.random.default_rng(0)
    told = [verdict(predictions(0.995, rng.binomial(300, 0.995), 300)) for _ in range(200)]
    assert sum(":" in one for one in told) / len(told) < 0.12  # a share of 300 comes in steps
