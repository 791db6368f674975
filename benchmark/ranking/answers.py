"""Turns completed runs into what they said of each test image, kept since it cannot change."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd

from benchmark.data.cache import cache_folder, read_kept
from benchmark.data.home import home
from benchmark.processes.leftovers import unfinished
from benchmark.tracking.store import Store
from registry.errors import masked

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = ["image", "true", "predicted", "copy_of"]
_FOLDER = "predictions"
_FILE = f"{_FOLDER}/test.csv"


def read_answers(
    store: Store, places: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Read what runs said of the test split.

    Args:
        store: Where they are tracked.
        places: Of each run, by its id, the address of its artifacts.

    Returns:
        By run id, a row an image: its name the index, in order; ``true``, ``predicted`` and
        ``copy_of``, the first of the test images that it is a copy of. Runs that kept no
        predictions are left out. And by run id, too, why those of others cannot be read now.
    """
    files = {run_id: home(write=False) / "answers" / f"{run_id}.json" for run_id in places}
    kept = {run_id: read_kept(file, _read) for run_id, file in files.items()}
    new = {run_id: uri for run_id, uri in places.items() if kept[run_id] is None}
    unread: dict[str, str] = {}
    for run_id, uri in new.items():
        try:
            if lying := _lying_here(uri):
                kept[run_id] = _keep(lying, files[run_id])
        except OSError as error:
            unread[run_id] = _reason(error)
    missing = [run_id for run_id in new if kept[run_id] is None and run_id not in unread]
    if missing:
        from mlflow.exceptions import MlflowException

        from benchmark.tracking.connection import connect

        connect(store, write=False)  # a store that was moved with its artifacts is found again
        for run_id in missing:
            try:
                kept[run_id] = _brought(store, new[run_id], files[run_id])
            except (MlflowException, OSError) as error:
                unread[run_id] = _reason(error)
    return {run_id: table for run_id, table in kept.items() if table is not None}, unread


def _reason(error: Exception) -> str:
    """The last line of its message: MLflow begins with which file it was."""
    return masked(str(error)).strip().rpartition("\n")[2] or type(error).__name__


def _lying_here(uri: str) -> Path | None:
    """The predictions below a folder of this machine, which need no MLflow to be read."""
    place = urlparse(uri)
    if place.scheme not in ("", "file") or place.netloc not in ("", "localhost"):
        return None
    file = Path(url2pathname(place.path) if place.scheme else uri, _FILE)
    return file if file.is_file() else None


def _brought(store: Store, uri: str, kept: Path) -> pd.DataFrame | None:
    """The predictions below any place of artifacts; None where there are none."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    from benchmark.tracking.artifacts import bring

    repository = get_artifact_repository(uri, store.uri)
    # Asked first: bringing fails alike for what is not there and for what cannot be had.
    if all(one.path != _FILE for one in repository.list_artifacts(_FOLDER)):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        return _keep(bring(repository, _FILE, Path(scratch)), kept)


def _keep(file: Path, kept: Path) -> pd.DataFrame | None:
    try:
        table = _parse(file)
    except (ValueError, KeyError):
        return None  # something else lies there
    with suppress(OSError):  # no room: it is read again the next time
        cache_folder(home(write=False), "answers")
        with unfinished(kept) as path:  # not CSV: of that, a part would be read as if it were all
            path.write_text(json.dumps(table.reset_index().to_dict("list")))
    return table


def _read(file: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads(file.read_text()), dtype=str).set_index("image")[_COLUMNS[1:]]


def _parse(file: Path) -> pd.DataFrame:
    known = pd.read_csv(file, nrows=0).columns
    columns = [name for name in _COLUMNS if name in known or name != "copy_of"]
    table = pd.read_csv(file, usecols=columns, dtype=str, keep_default_na=False)
    if table.empty or not table["predicted"].fillna("").all():
        raise ValueError(f"{file} is cut off")
    if "copy_of" not in table:
        table["copy_of"] = ""
    return table.set_index("image").sort_index()[_COLUMNS[1:]]


def correct(tables: list[pd.DataFrame]) -> NDArray[np.float64]:
    """(R, N) whether each of R repeats told each image right, 1 or 0."""
    return np.stack([(one["true"] == one["predicted"]).to_numpy(np.float64) for one in tables])


def groups_of(table: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) the group of copies that each image belongs to."""
    first = table["copy_of"].where(table["copy_of"] != "", table.index.to_series())
    groups: NDArray[np.int64] = np.unique(first.to_numpy(str), return_inverse=True)[1]
    return groups
