"""Stores that a test takes away and brings back."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

from mlflow import MlflowClient

from benchmark.pages.server import serving
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker


class Served:
    """A store behind a real server, at an address that stays the same.

    Attributes:
        store: As clients see it.
    """

    def __init__(self, database: Store) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.store = Store(uri=f"http://127.0.0.1:{self._port}", experiment="served")
        self._database = database
        self._open = ExitStack()

    def start(self) -> None:
        self._open.enter_context(serving(self._database, "127.0.0.1", self._port))

    def stop(self) -> None:
        self._open.close()


class Away:
    """Lets a client find its store gone, after it has been waited for."""

    def __init__(self, tracker: Tracker) -> None:
        self._client = tracker.client
        self._calls = {name: getattr(self._client, name) for name in dir(MlflowClient)}

    def begin(self) -> None:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise StoreAway("the store has not answered")

        for name in self._calls:
            if not name.startswith("_") and name != "tracking_uri":
                setattr(self._client, name, fail)

    def end(self) -> None:
        for name, call in self._calls.items():
            if name in vars(self._client):
                setattr(self._client, name, call)
