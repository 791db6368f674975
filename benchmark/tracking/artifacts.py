"""Turns a run's artifact into a file to read, where it lies or brought here for a while."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import PluginError, UserError, of_the_machine

if TYPE_CHECKING:
    from mlflow import MlflowClient


def bring(repository: Any, name: str, folder: Path) -> Path:
    """Bring an artifact to this machine.

    Args:
        repository: MLflow's, where it is.
        name: Its path there.
        folder: Where to, unless it lies on this machine: then it is read there.

    Raises:
        Exception: Of many libraries: it is not there, or cannot be had.
    """
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    here = isinstance(repository, LocalArtifactRepository)
    return Path(repository.download_artifacts(name, None if here else str(folder)))


@contextmanager
def lent(client: MlflowClient, run_id: str, name: str) -> Iterator[Path]:
    """Lend an artifact of a run for a ``with`` block, which reads it and does nothing else.

    Args:
        client: Of the store.
        run_id: The run.
        name: The artifact's path in the run.

    Raises:
        UserError: It is not there, or the block fails: it is not what its name says.
        Exception: What the block raises for want of room or of rights: the file may be all right.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run = client.get_run(run_id)
    repository = get_artifact_repository(run.info.artifact_uri, client.tracking_uri)
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield bring(repository, name, Path(folder))
        except (UserError, PluginError, MemoryError):
            raise
        except Exception as error:  # what reads files of all kinds, from all kinds of places
            if of_the_machine(error):
                raise
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise UserError(
                f"{name} of the run {run.info.run_name} ({run_id}) cannot be used ({reason}); "
                "repeat that run as it was, with --force"
            ) from error
