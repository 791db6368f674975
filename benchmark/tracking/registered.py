"""Turns the address of a registered model, such as ``models:/NAME@champion``, into its run."""

from __future__ import annotations

import re

from benchmark.tracking.connection import connect
from benchmark.tracking.store import Store
from registry.core import near
from registry.errors import UserError

SCHEME = "models:/"
CHAMPION = "champion"
_ADDRESS = re.compile(rf"{SCHEME}(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))?")


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
    known = [model.name for model in client.search_registered_models()]
    if name not in known:
        told = near(name, known) if known else "type: bench register"
        raise UserError(f"no registered model is called {name!r}; {told}")
    try:
        if version is None:
            found = client.get_model_version_by_alias(name, parts["alias"] or CHAMPION)
        else:
            found = client.get_model_version(name, version)
    except MlflowException as error:
        model = client.get_registered_model(name)
        versions = [one.version for one in client.search_model_versions(f"name = '{name}'")]
        there = [f"@{alias}" for alias in model.aliases] + [f"/{one}" for one in sorted(versions)]
        listed = ", ".join(f"{SCHEME}{name}{one}" for one in there) or "no version of it"
        raise UserError(f"there is no {address}; there is {listed}") from error
    if not found.run_id:
        raise UserError(f"{address} was not made of a run of bench; name another model")
    return str(found.run_id)
