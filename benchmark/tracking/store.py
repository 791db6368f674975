"""Turns mlflow.env and the process's environment into the MLflow store that is used."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import load_dotenv

ENV_FILE = "mlflow.env"
DEFAULTS = {
    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "./mlartifacts",
    "MLFLOW_EXPERIMENT_NAME": "image-classifiers",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def load_environment() -> None:
    """Set MLflow's variables from mlflow.env, then from the embedded defaults, where unset."""
    load_dotenv(ENV_FILE, override=False)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for noisy in ("alembic", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Store:
    """Which MLflow store and experiment; picklable.

    Attributes:
        uri: MLflow's tracking URI.
        experiment: Name of the experiment.
    """

    uri: str = field(default_factory=lambda: os.environ["MLFLOW_TRACKING_URI"])
    experiment: str = field(default_factory=lambda: os.environ["MLFLOW_EXPERIMENT_NAME"])

    def exists(self) -> bool:
        """Whether there is a file, for SQLite, which would make one; others are asked."""
        sqlite = "sqlite:///"
        return not self.uri.startswith(sqlite) or Path(self.uri.removeprefix(sqlite)).exists()
