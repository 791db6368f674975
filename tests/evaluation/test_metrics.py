from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from benchmark.evaluation.metrics import calibration_error, score
from benchmark.evaluation.predictions import Predictions


def predictions(labels: list[int], probabilities: list[list[float]]) -> Predictions:
    return Predictions(
        split="test",
        names=[f"{i}.png" for i in range(len(labels))],
        labels=np.array(labels),
        probabilities=np.array(probabilities, dtype=np.float32),
        class_names=[f"class{i}" for i in range(len(probabilities[0]))],
    )


def test_scores_of_a_case_worked_by_hand() -> None:
    scores = score(predictions([0, 0, 1], [[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]]))
    assert scores["test_accuracy"] == pytest.approx(2 / 3)
    assert scores["test_macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    expected = -(np.log(0.8) + np.log(0.4) + np.log(0.9)) / 3
    assert scores["test_log_loss"] == pytest.approx(expected, rel=1e-5)
    assert scores["test_top5_accuracy"] == 1.0


def test_top5_counts_the_true_class_among_the_five_most_probable() -> None:
    falling = [0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]
    assert score(predictions([4, 5], [falling, falling]))["test_top5_accuracy"] == 0.5


@pytest.mark.parametrize(("true", "found"), [(0, 1.0), (4, 1.0), (5, 0.0), (6, 0.0)])
def test_of_equals_the_first_are_among_the_five(true: int, found: float) -> None:
    equal = predictions([true], [[1 / 7] * 7])
    assert score(equal)["test_top5_accuracy"] == found
    assert (f"class{true}" in equal.table().iloc[0].astype(str).tolist()[2:]) == bool(found)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    sure_and_wrong = predictions([1] * 10, [[0.95, 0.05]] * 10)
    assert calibration_error(sure_and_wrong) == pytest.approx(0.95, abs=1e-6)
    as_sure_as_right = predictions([0] * 9 + [1], [[0.9, 0.1]] * 10)
    assert calibration_error(as_sure_as_right) == pytest.approx(0, abs=1e-6)


def test_saved_predictions_hold_the_table_and_all_probabilities(tmp_path: Path) -> None:
    made = predictions([0, 1], [[0.8, 0.2], [0.6, 0.4]])
    made.save(tmp_path)
    table = pd.read_csv(tmp_path / "test.csv")
    assert table["true"].tolist() == ["class0", "class1"]
    assert table["predicted"].tolist() == ["class0", "class0"]
    assert table["correct"].tolist() == [True, False]
    arrays = load_file(tmp_path / "test.safetensors")
    np.testing.assert_array_equal(arrays["probabilities"], made.probabilities)


def test_the_table_has_the_five_most_probable_classes() -> None:
    falling = [0.08, 0.2, 0.15, 0.12, 0.1, 0.3, 0.05]
    (row,) = predictions([4], [falling]).table().to_dict("records")
    named = [row["predicted"], *(row[f"predicted_{place}"] for place in (2, 3, 4, 5))]
    assert named == ["class5", "class1", "class2", "class3", "class4"]
    assert row["probability"] == pytest.approx(0.3)
    assert [row[f"probability_{place}"] for place in (2, 5)] == pytest.approx([0.2, 0.1])
    assert "predicted_6" not in row
    (few,) = predictions([1], [[0.4, 0.6]]).table().to_dict("records")
    assert (few["predicted_2"], "predicted_3" in few) == ("class0", False)
