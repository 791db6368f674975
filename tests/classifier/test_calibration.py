"""P-values and prediction sets hold what they promise, on images that chose nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.classifier.calibration import calibrate
from benchmark.classifier.verdict import check_level, judge
from benchmark.data.splits import Split
from benchmark.evaluation.predictions import Predictions
from registry import UserError

CLASSES = 8
TRUE_TEMPERATURE = 2.5


def answers(split: Split, count: int, seed: int, signal: float = 2.0) -> Predictions:
    """An overconfident classifier's: its logits are `TRUE_TEMPERATURE` times too far apart."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, signal, (count, CLASSES))
    chances = softmax(logits)
    labels = np.array([rng.choice(CLASSES, p=row) for row in chances])
    return Predictions(
        split=split,
        names=[str(i) for i in range(count)],
        labels=labels,
        probabilities=softmax(TRUE_TEMPERATURE * logits).astype(np.float32),
        class_names=[f"class {i}" for i in range(CLASSES)],
    )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def test_temperature_is_what_the_classifier_is_too_sure_by() -> None:
    found = calibrate(answers("val", 4000, 0))
    assert found.temperature == pytest.approx(TRUE_TEMPERATURE, rel=0.05)


def test_a_known_picture_counts_itself_besides_the_new_one() -> None:
    validation = answers("val", 99, 0)
    p_values = calibrate(validation).p_values(validation.probabilities)
    assert np.sort(p_values) == pytest.approx(np.arange(2, 101) / 100)


@pytest.mark.parametrize("level", [0.05, 0.1, 0.3])
def test_sets_cover_and_p_values_alarm_as_often_as_promised(level: float) -> None:
    covered, alarms, sizes = [], [], []
    for seed in range(40):  # the promise is on average over val splits
        calibration = calibrate(answers("val", 300, seed))
        test = answers("test", 300, 1000 + seed)
        sets = calibration.sets(test.probabilities, level)
        covered.append(sets[np.arange(300), test.labels].mean())
        alarms.append((calibration.p_values(test.probabilities) <= level).mean())
        sizes.append(sets.sum(axis=1).mean())
    spread = 4 * np.sqrt(level * (1 - level) * (1 / 300 + 1 / 301) / 40)
    assert np.mean(covered) >= 1 - level - spread
    assert np.mean(covered) <= 1 - level + 0.02 + spread or level == 0.3  # not by telling all
    assert np.mean(alarms) == pytest.approx(level, abs=spread + 1 / 301)
    assert np.mean(sizes) < CLASSES / 2


def test_pictures_of_nothing_known_are_told_from_known_ones() -> None:
    calibration = calibrate(answers("val", 500, 0, signal=6.0))
    nothing = softmax(np.random.default_rng(1).normal(0, 0.3, (500, CLASSES)))
    assert (calibration.p_values(nothing) <= 0.05).mean() > 0.95


def test_zeros_of_a_forest_and_few_val_images_say_no_more_than_they_can() -> None:
    validation = answers("val", 9, 0)
    certain = np.eye(CLASSES, dtype=np.float32)[validation.labels]
    calibration = calibrate(Predictions(**{**vars(validation), "probabilities": certain}))
    assert np.isfinite(calibration.tempered(certain)).all()
    row = np.full(CLASSES, 1 / CLASSES, dtype=np.float32)
    verdict = judge(row, validation.class_names, calibration, 0.05)
    assert verdict.p_value == pytest.approx(0.1)
    assert verdict.unknown is None
    assert verdict.possible is not None
    assert len(verdict.possible) == CLASSES
    assert judge(row, validation.class_names, calibration, 0.1).unknown
    assert judge(row, validation.class_names, None).unknown is None
    with pytest.raises(UserError, match=r"at least 19 val images, .* on 9"):
        check_level(calibration, 0.05)
    with pytest.raises(UserError, match=r"--level 4.94066e-324 takes at least 999,999,999,999 val"):
        check_level(calibration, 5e-324)
    assert check_level(calibration, None) == 0.05


def test_the_level_that_is_told_to_be_enough_is_enough() -> None:
    found = calibrate(answers("val", 9, 0))
    for images in range(10, 400):
        calibration = replace(found, strangeness=np.zeros(images))
        with pytest.raises(UserError) as told:
            check_level(calibration, 1e-5)
        level = float(str(told.value).split("write --level ")[1].split()[0])
        assert check_level(calibration, level) == level < 1.1 / images


def test_a_threshold_tells_the_same_as_p_values() -> None:
    found, others = calibrate(answers("val", 399, 0)), answers("test", 500, 1).probabilities
    for level in (0.05, 0.2):
        below = found.least_sure(level)
        assert below is not None
        unknown = found.tempered(others).max(axis=1) < below
        assert 0 < unknown.sum() < len(others)
        np.testing.assert_array_equal(unknown, found.p_values(others) <= level)
    assert found.least_sure(0.001) is None
