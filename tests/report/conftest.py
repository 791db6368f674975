"""A store with a study in it, made once."""

from __future__ import annotations

import pytest

from benchmark.data.prepared import PreparedData
from benchmark.tracking.store import Store
from tests.report.study import log_study, make_data, make_store


@pytest.fixture(scope="package")
def monsters(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Four classes with names that look like markup, numbers and nothing."""
    return make_data(tmp_path_factory.mktemp("monsters"))


@pytest.fixture(scope="package")
def studied(tmp_path_factory: pytest.TempPathFactory, monsters: PreparedData) -> Store:
    """The store of `log_study`; only to be read."""
    folder = tmp_path_factory.mktemp("studied")
    store = make_store(folder)
    log_study(store, monsters, folder / "scratch")
    return store
