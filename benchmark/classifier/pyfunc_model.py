"""The model that MLflow serves: turns a column of encoded pictures into labels and probabilities.

MLflow runs this file when it loads the model (models from code): no object is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from benchmark.classifier.packed import open_packed
from benchmark.classifier.verdict import judge

FOLDER = "classifier"
TOP = 5


class PictureClassifier(PythonModel):
    """A packed classifier behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the folder that lies beside the model."""
        self._classifier = open_packed(Path(context.artifacts[FOLDER]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify pictures, decoded exactly as in training.

        Args:
            context: MLflow's.
            model_input: Column ``image``: a file's bytes in each row.
            params: ``top``: how many classes to tell.

        Returns:
            A row a picture: ``label``, ``probability``, ``margin``, ``p_value`` and ``unknown``
            (see `Verdict`), and the lists ``labels`` and ``probabilities``.

        Raises:
            MlflowException: One is no picture: the server answers 400.
        """
        top = int((params or {}).get("top", TOP))
        classifier = self._classifier
        rows = []
        for answer in classifier.stream(bytes(image) for image in model_input["image"]):
            if answer.reason:
                raise MlflowException.invalid_parameter_value(
                    f"image {answer.name} (from 0) cannot be read: {answer.reason}"
                )
            verdict = judge(answer.probabilities, classifier.class_names, classifier.calibration)
            rows.append(verdict.row(top))
        return pd.DataFrame(rows)


set_model(PictureClassifier())
