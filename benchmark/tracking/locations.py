"""Turns settings into the place of an experiment's artifacts, and follows a store that moved."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from benchmark.tracking.database import connected
from benchmark.tracking.store import Store
from registry.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's tables name places of artifacts."""
_CLIENTS = {
    "s3": ("boto3", "boto3"),
    "gs": ("google.cloud.storage", "google-cloud-storage"),
    "wasb": ("azure.storage.blob", "azure-storage-blob azure-identity"),
    "wasbs": ("azure.storage.blob", "azure-storage-blob azure-identity"),
    "abfss": ("azure.storage.filedatalake", "azure-storage-file-datalake azure-identity"),
}
"""What MLflow needs for a kind of place: the module, and what is to be installed for it."""


def new_location(store: Store) -> str | None:
    """Choose where a new experiment keeps its artifacts.

    Returns:
        An address below MLFLOW_DEFAULT_ARTIFACT_ROOT, whatever the experiment is called; None to
        leave it to a server.

    Raises:
        UserError: There can be none.
    """
    root = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    if not store.is_database or not root:
        return None
    folder = re.sub(r"[^\w.-]+", "-", store.experiment).strip(".-")[:100] or "experiment"
    scheme = urlparse(root).scheme
    if len(scheme) > 1 and scheme != "file":
        check_client(root)
        return f"{root.rstrip('/')}/{folder}"
    path = local_path(root) if scheme == "file" else Path(root)
    # As an address: in a plain path, MLflow takes % for the beginning of an escaped character.
    return (path.expanduser().resolve() / folder).as_uri()


def check_client(location: str) -> None:
    """Make sure that what MLflow needs to reach a place of artifacts is installed.

    Raises:
        UserError: It is not.
    """
    module, packages = _CLIENTS.get(urlparse(location).scheme, ("sys", ""))
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of the package that it would be in
        found = None
    if found is None:
        raise UserError(
            f"artifacts go to {location}, for which {module} is missing; type: "
            f"uv pip install {packages}, or set MLFLOW_DEFAULT_ARTIFACT_ROOT to a folder"
        )


def local_path(location: str) -> Path:
    """Where a place of artifacts, a path or ``file:`` as MLflow reads it, is on this machine.

    Raises:
        UserError: It is on another one.
    """
    from mlflow.utils.file_utils import local_file_uri_to_path

    host = urlparse(location).netloc
    if host not in ("", "localhost"):
        raise UserError(
            f"artifacts cannot be kept in {location}, on the machine {host!r}; set "
            "MLFLOW_DEFAULT_ARTIFACT_ROOT to a folder, or to file:///FOLDER"
        )
    to_path: Any = local_file_uri_to_path
    return Path(to_path(location))


def folder_of(location: str) -> Path | None:
    """The folder that a place of artifacts is on this machine; None if it is reached elsewhere."""
    return local_path(location) if urlparse(location).scheme in ("", "file") else None


def follow_move(store: Store, *, write: bool) -> None:
    """Let an SQLite store that was moved, or copied, with its artifacts name their new places.

    MLflow keeps whole paths. Artifacts that lie beside the store as the end of their path says are
    its own, if runs of it are among them: then all that begins with the path is changed.

    Args:
        store: The store, which exists.
        write: Whether runs are to be added.

    Raises:
        UserError: Runs are to be added, and earlier ones' artifacts are neither there nor here.
    """
    from sqlalchemy import inspect, text

    assert store.file is not None
    home = store.file.resolve().parent
    with connected(store) as connection:
        if not inspect(connection).has_table("experiments"):
            return
        found = text("SELECT experiment_id, name, artifact_location FROM experiments")
        for id_, name, location in connection.execute(found).all():
            if urlparse(location or "none:").scheme not in ("", "file"):
                continue
            old = local_path(location)
            if old.is_relative_to(home):
                continue
            newest = "SELECT run_uuid FROM runs WHERE experiment_id = :id ORDER BY start_time DESC"
            runs = connection.scalars(text(f"{newest} LIMIT 100"), {"id": id_}).all()
            if new := _beside(home, old, runs):
                _rename(connection, location, new.as_uri())
                logger.warning("the store has moved: its artifacts are now %s", new)
            elif write and name == store.experiment and not old.exists():
                if runs:
                    raise UserError(
                        f"the artifacts of {store} were in {old}, which is gone; move them back, "
                        f"or to {home / Path(*old.parts[-2:])}, or make that folder empty"
                    )
                _rename(connection, location, new_location(store) or location)


def _beside(home: Path, old: Path, runs: Sequence[str]) -> Path | None:
    """The folder below another that lies as an old one's path ends, and holds some of the runs."""
    for start in range(1, len(old.parts)):
        new = home.joinpath(*old.parts[start:])
        if any((new / run).is_dir() for run in runs):
            return new
    # Somebody made it to go on without those artifacts.
    made = home.joinpath(*old.parts[-2:])
    return made if made.is_dir() and not old.exists() else None


def _rename(connection: Connection, old: str, new: str) -> None:
    from sqlalchemy import inspect, text

    for table, column in _COLUMNS:
        if inspect(connection).has_table(table):
            connection.execute(
                text(
                    f"UPDATE {table} SET {column} = :new || substr({column}, :rest) "
                    f"WHERE {column} = :old OR substr({column}, 1, :rest) = :old || '/'"
                ),
                {"old": old, "new": new, "rest": len(old) + 1},
            )
    connection.commit()
