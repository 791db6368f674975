"""What is logged of predictions: the scores, and those without images that lay in two parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.prepared import PreparedData
from benchmark.evaluation.predictions import predict_split
from benchmark.runs.results import log_predictions
from benchmark.tracking.items import Metric


@pytest.mark.parametrize("shared", [0, 1])
def test_scores_without_shared_images_stand_beside(
    data: PreparedData, shared: int, tmp_path: Path
) -> None:
    rows = data.rows("test")
    wrong = np.roll(np.eye(3, dtype=np.float32)[data.labels[rows]], 1, axis=1)
    wrong[0] = np.eye(3, dtype=np.float32)[data.labels[rows[0]]]  # the first alone is right
    samples = list(data.samples)
    if shared:
        samples[rows[0]] = replace(samples[rows[0]], shared=True)
    marked = PreparedData.__new__(PreparedData)
    marked.__dict__ = {**data.__dict__, "samples": samples}
    predictions = predict_split(marked, "test", wrong)
    logged = log_predictions(predictions, marked, "title", tmp_path)
    values = {item.name: item.value for item in logged if isinstance(item, Metric)}
    assert values["test_accuracy"] == pytest.approx(1 / len(rows))
    assert values.get("test_accuracy_unshared") == (0 if shared else None)
