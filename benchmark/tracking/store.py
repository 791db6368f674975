"""Turns mlflow.env and the process's environment into the MLflow store that is used."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.main import DotEnv

from registry.errors import UserError, masked

ENV_FILE = "mlflow.env"
DEFAULTS = {
    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "./mlartifacts",
    "MLFLOW_EXPERIMENT_NAME": "image-classifiers",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
_OURS = re.compile(
    r"(MLFLOW|BENCH)_\w+"
    r"|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|DEFAULT_REGION|CA_BUNDLE)"
    r"|GOOGLE_APPLICATION_CREDENTIALS"
    r"|AZURE_(STORAGE_CONNECTION_STRING|STORAGE_ACCESS_KEY|TENANT_ID|CLIENT_ID|CLIENT_SECRET)"
)
"""What mlflow.env may set, credentials as MLflow documents them: no more, since it is read from
whatever folder bench is started in, and PYTHONPATH would decide what is run."""
MAY_SET = "may set MLFLOW_…, BENCH_… and a cloud's credentials"
_FROM_HOME = re.compile(r"sqlite(\+\w+)?:///(file:)?~")
_DATABASE = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?:")


def load_environment() -> list[str]:
    """Set MLflow's variables from mlflow.env, then from the embedded defaults, where unset.

    A variable that is empty counts as unset.

    Returns:
        Names in mlflow.env that are not taken, since they are none of MLflow's or bench's.

    Raises:
        UserError: mlflow.env cannot be read.
    """
    try:
        found = DotEnv(ENV_FILE, override=False).dict() if Path(ENV_FILE).is_file() else {}
        taken = {name: value for name, value in found.items() if _OURS.fullmatch(name)}
        for values in (taken, DEFAULTS):
            os.environ.update(
                {name: value for name, value in values.items() if value and not os.getenv(name)}
            )
    except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        raise UserError(f"{ENV_FILE} cannot be read ({error}); mend it or remove it") from error
    for noisy in ("alembic", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # It logs the traceback of each error of a database, which it raises, too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return sorted(found.keys() - taken.keys())


def shared_environment() -> dict[str, str]:
    """What a process on another machine needs to reach the same store; holds credentials.

    BENCH_HOME is a folder of this machine.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if _OURS.fullmatch(name) and name != "BENCH_HOME"
    }


@dataclass(frozen=True, kw_only=True)
class Store:
    """Which MLflow store and experiment; picklable.

    Attributes:
        uri: MLflow's tracking URI; may hold a password.
        experiment: Name of the experiment.
    """

    uri: str = field(default_factory=lambda: os.environ["MLFLOW_TRACKING_URI"], repr=False)
    experiment: str = field(default_factory=lambda: os.environ["MLFLOW_EXPERIMENT_NAME"])

    def __post_init__(self) -> None:
        """Refuse ``~``, which MLflow takes for a folder of that name.

        Raises:
            UserError: The address begins with it.
        """
        if _FROM_HOME.match(self.uri):
            raise UserError(
                f"MLFLOW_TRACKING_URI={self.uri} would be in a folder called ~; write the whole "
                "path, such as sqlite:////home/NAME/mlflow.db"
            )

    def __str__(self) -> str:
        """The URI for people, without the password."""
        return masked(self.uri)

    @property
    def is_database(self) -> bool:
        """Whether MLflow writes to a database itself, and asks no server to."""
        return _DATABASE.match(self.uri) is not None

    @property
    def file(self) -> Path | None:
        """The database's file; None if it is not SQLite's, or names none."""
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            address = make_url(self.uri)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            return None
        name = (address.database or "").removeprefix("file:")
        is_file = address.get_backend_name() == "sqlite" and name not in ("", ":memory:")
        return Path(name) if is_file else None

    def exists(self) -> bool:
        """Whether there is a file, for SQLite, which would make one; others are asked."""
        return self.file is None or self.file.exists()


def existing_store() -> Store:
    """The store that is named, for what only reads, and is told so before it loads what reads it.

    Raises:
        UserError: It is a file, and not there.
    """
    store = Store()
    if not store.exists():
        raise no_experiment(store)
    return store


def no_experiment(store: Store) -> UserError:
    """What is told where no run was tracked yet."""
    return UserError(f"{store} has no experiment {store.experiment!r} yet; type: bench run --all")
