"""Turns a store into MLflow's client and its experiment, or into one line that says why not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmark.tracking.database import ANSWER_SECONDS, check_tables, deleted, unusable
from benchmark.tracking.locations import follow_move, new_location
from benchmark.tracking.new_store import opening
from benchmark.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


def check_store(store: Store, *, write: bool) -> None:
    """Make sure, within seconds, that a store can be used; nothing is made that is missing.

    Args:
        store: The store.
        write: Whether it has to be writable.

    Raises:
        UserError: It cannot be used, or its experiment was deleted.
    """
    if store.uri.startswith(("http://", "https://")):
        _ask_server(store)
    elif store.is_database:
        _check_database(store, write)
    else:
        _find_experiment(store)


def connect(store: Store, *, write: bool) -> tuple[MlflowClient, Experiment | None]:
    """Open a store, whose database is made where it is missing, and look its experiment up.

    Args:
        store: The store.
        write: Whether it has to be writable.

    Returns:
        MLflow's client, and the experiment, or None if there is none yet.

    Raises:
        UserError: The store cannot be used, or its experiment was deleted.
    """
    check_store(store, write=write)
    if store.file is not None and store.exists() and _is_writable(store.file):
        follow_move(store, write=write)
    return _find_experiment(store)


def all_pages(search: Callable[..., Any]) -> Iterator[Any]:
    """What a search of MLflow's finds, page after page as it is asked for."""
    token = None
    while token != "":
        page = search(page_token=token)
        yield from page
        token = page.token or ""


def _find_experiment(store: Store) -> tuple[MlflowClient, Experiment | None]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # Else it prints a server's address at the end of each run, between other lines.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        with opening(store):
            client = MlflowClient(store.uri)
            return client, client.get_experiment_by_name(store.experiment)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise unusable(store, str(error)) from error


def _check_database(store: Store, write: bool) -> None:
    if store.uri.startswith("sqlite") and store.file is None:
        raise unusable(store, "it names no file")
    experiment_id = check_tables(store) if store.exists() else None
    if write and experiment_id is None:
        new_location(store)
    file = store.file
    if write and file and file.exists() and not _is_writable(file):
        raise unusable(store, f"{file}, or its folder, is read-only; chmod u+w it, or copy it")


def _is_writable(file: Path) -> bool:
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def _ask_server(store: Store) -> None:
    """Ask a server for the experiment, once: MLflow's client repeats its questions for minutes."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils import credentials, rest_utils

    ask: Any = rest_utils.http_request
    who: Any = credentials.get_default_host_creds
    try:
        response = ask(
            who(store.uri),
            "/api/2.0/mlflow/experiments/get-by-name",
            "GET",
            params={"experiment_name": store.experiment},
            timeout=ANSWER_SECONDS,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise unusable(store, f"no server answers ({_cause(error)})") from error
    status = response.status_code
    if status == 403 and "Host header" in response.text:
        remedy = f"start it with --allowed-hosts {urlsplit(store.uri).netloc}, or use its address"
        raise unusable(store, f"its server does not answer to this name; {remedy}")
    if status in (401, 403):
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        raise unusable(store, f"it refuses you (HTTP {status}); {remedy}")
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if status not in (200, 404) or not is_json:
        raise unusable(store, f"it answers unlike an MLflow server (HTTP {status})")
    experiment = response.json().get("experiment", {})
    if experiment.get("lifecycle_stage") == "deleted":
        raise deleted(store, experiment["experiment_id"])


def _cause(error: BaseException) -> str:
    """What an error began with: the system's own words, without the layers around them."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
