"""Turns the run that a network learns from into its probabilities of the train images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmark.data.prepared import PreparedData
from benchmark.study.plan import RunSpec
from benchmark.tracking.writer import Tracker


def read_teacher(spec: RunSpec, data: PreparedData, tracker: Tracker) -> NDArray[np.float32] | None:
    """Read what a run's teacher said of the train images.

    Args:
        spec: The run that learns; its teacher's is completed.
        data: Its images.
        tracker: Finds the teacher's predictions.

    Returns:
        (N, C) for all images, those of other splits zero; None if it has no teacher.

    Raises:
        UserError: The predictions are gone, or other files are in their place.
    """
    if spec.teacher_id is None:
        return None
    run_id = tracker.find_completed({"spec_id": spec.teacher_id, "train_predictions": "kept"})
    assert run_id is not None, f"{spec.name} was started before its teacher"
    with tracker.artifact(run_id, "predictions/train.csv") as file:
        names = pd.read_csv(file, dtype=str, keep_default_na=False)["image"]
    rows = {sample.name: row for row, sample in enumerate(data.samples)}
    probabilities = np.zeros((len(rows), len(data.class_names)), dtype=np.float32)
    with tracker.artifact(run_id, "predictions/train.safetensors") as file:
        probabilities[[rows[name] for name in names]] = load_file(file)["probabilities"]
    return probabilities
