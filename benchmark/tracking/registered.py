"""Turns runs into versions of registered models, and ``models:/NAME@champion`` back into a run."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.tracking.connection import all_pages, connect
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.core import near
from registry.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowException
    from mlflow.entities import Run

SCHEME = "models:/"
MODEL_FOLDER = "model"
CHAMPION = "champion"
_ADDRESS = re.compile(rf"{SCHEME}(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d{{1,9}}))?")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's errors of a model or version that is not there, and of an alias."""


def registered_run(store: Store, address: str) -> str:
    """Find the run that a version of a registered model was made of.

    Args:
        store: Where models are registered.
        address: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, or ``models:/NAME`` for its
            champion.

    Raises:
        UserError: There is no such model, alias or version, or it is none of bench.
    """
    from mlflow.exceptions import MlflowException

    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise UserError(
            f"{address!r} is no address of a model; write models:/NAME@{CHAMPION} or models:/NAME/1"
        )
    client, _ = connect(store, write=False)
    name, version = parts["name"], parts["version"]
    try:
        if version is None:
            found = client.get_model_version_by_alias(name, parts["alias"] or CHAMPION)
        else:
            found = client.get_model_version(name, version)
    except MlflowException as error:
        _check_absent(error)
        known = [model.name for model in all_pages(client.search_registered_models)]
        if name not in known:
            told = near(name, known) if known else "type: bench register"
            raise UserError(f"no registered model is called {name!r}; {told}") from error
        model = client.get_registered_model(name)
        versions = all_pages(client.search_model_versions)
        numbers = sorted(int(one.version) for one in versions if one.name == name)
        there = [f"@{alias}" for alias in model.aliases] + [f"/{one}" for one in numbers]
        listed = ", ".join(f"{SCHEME}{name}{one}" for one in there) or "no version of it"
        raise UserError(f"there is no {address}; there is {listed}") from error
    if not found.run_id:
        raise UserError(f"{address} was not made of a run of bench; name another model")
    return str(found.run_id)


def champion_of(store: Store, name: str) -> tuple[str, str] | None:
    """Find the version that a registered model's alias `CHAMPION` names, and its run.

    Returns:
        Both as MLflow calls them; None if there is no such model or alias.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = Tracker(store).client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        _check_absent(error)
        return None
    return str(found.version), str(found.run_id)


def registered_runs(store: Store) -> set[str]:
    """Find the ids of the runs that versions of registered models were made of."""
    client, _ = connect(store, write=False)
    versions = all_pages(client.search_model_versions)
    return {str(version.run_id) for version in versions if version.run_id}


def requirements(modules: Iterable[str] = ()) -> list[str]:
    """What a registered model needs, in the versions that are installed here: no extras.

    Args:
        modules: Of plugins, whose packages it needs besides; of what no package brings, none.
    """
    from importlib.metadata import packages_distributions, requires, version

    wanted = [one for one in requires("classifier-bench") or () if "extra ==" not in one]
    names = [re.split(r"[\s>=<;\[]", one)[0] for one in wanted]
    if tops := [module.partition(".")[0] for module in modules]:
        packages = packages_distributions()
        names += [name for top in tops for name in packages.get(top, ())]
    return [f"{name}=={version(name)}" for name in dict.fromkeys(names)]


def log_model(tracker: Tracker, run: Run, packed: Path, code: Path, modules: Iterable[str]) -> None:
    """Log a pyfunc of a packed classifier to its run, as the artifact `MODEL_FOLDER`.

    Args:
        tracker: Of the store.
        run: The classifier's.
        packed: Its folder.
        code: File that MLflow runs to load it; the packages that it imports go along.
        modules: Of the plugins that made it; see `requirements`.
    """
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    told: dict[str, Any] = {
        **dict.fromkeys(("probability", "margin", "p_value"), DataType.double),
        "unknown": DataType.boolean,
        "labels": Array(DataType.string),
        "probabilities": Array(DataType.double),
    }
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(
            [ColSpec(DataType.string, "label"), *(ColSpec(kind, key) for key, kind in told.items())]
        ),
        params=ParamSchema([ParamSpec("top", DataType.long, 5)]),
    )
    home = code.parents[2]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow would rather have an example of the input
        place = Path(folder) / MODEL_FOLDER
        save_model(
            path=str(place),
            python_model=str(code),
            artifacts={packed.name: str(packed)},
            code_paths=[str(home / "benchmark"), str(home / "registry")],
            signature=signature,
            pip_requirements=requirements(modules),
        )
        tracker.client.log_artifacts(run.info.run_id, str(place), MODEL_FOLDER)


def add_version(
    tracker: Tracker, run: Run, name: str, *, card: str, tags: Mapping[str, str]
) -> str:
    """Register what `log_model` logged as a new version of a model.

    Args:
        tracker: Of the store.
        run: The classifier's.
        name: The model's; it is made where it is missing.
        card: What people should know of it, in Markdown.
        tags: Figures and names, to be found by.

    Returns:
        The version.
    """
    from mlflow.exceptions import MlflowException

    client = tracker.client
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    made = client.create_model_version(
        name,
        f"{run.info.artifact_uri}/{MODEL_FOLDER}",
        run.info.run_id,
        tags=dict(tags),
        description=card,
    )
    return str(made.version)


def promote(tracker: Tracker, name: str, version: str) -> None:
    """Let the alias `CHAMPION` name a version."""
    tracker.client.set_registered_model_alias(name, CHAMPION, version)


def _check_absent(error: MlflowException) -> None:
    """Raise an error again that says anything but that something is not there."""
    if error.error_code not in _ABSENT:
        raise error
