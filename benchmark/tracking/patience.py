"""Turns a client of a store or database that is away for a while into one that waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain, repeat
from typing import ParamSpec, TypeVar

from registry.errors import UserError, masked

LIMIT_SECONDS = 600.0
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_LONGEST_PAUSE = 15.0
_SERVER_ERROR = 500
_CLASHES = 3
"""So often a request is repeated at once."""
_FILES = {"log_artifact", "log_artifacts", "log_image", "log_text", "list_artifacts"}
"""Requests that may come through without the database, and tell nothing of it."""
logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class StoreAway(UserError):
    """The store has not answered for long enough."""


class Patience:
    """Repeats requests to a store until it answers, or has been waited for long enough in all.

    The wait is one for all requests: once it is over, each is tried once, until one is answered.
    """

    def __init__(
        self,
        store: str,
        client: object,
        *,
        away: Callable[[BaseException], bool] | None = None,
        also: Iterable[str] = (),
    ) -> None:
        """Make all of a client's public methods patient.

        Args:
            store: What it is, for people.
            client: Of a store that was there just now.
            away: Whether an error says that it cannot be reached just now; None for `is_away`.
            also: Names of other methods.
        """
        self._store = store
        self._is_away = away or is_away
        self._limit = LIMIT_SECONDS
        self._gone: float | None = None
        self._waited = 0.0
        # It writes a traceback at each attempt.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        for name in [*(name for name in dir(client) if not name.startswith("_")), *also]:
            if callable(call := getattr(client, name)):
                setattr(client, name, self._patient(call, asks=name not in _FILES))

    def begin(self) -> None:
        """Wait again: a process that goes on, such as a notebook's, begins another study."""
        self._limit = LIMIT_SECONDS

    def end(self) -> None:
        """Wait no more: this process has been asked to end."""
        self._limit = 0.0

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Try each request once in the block."""
        limit, self._limit = self._limit, 0.0
        try:
            yield
        finally:
            self._limit = limit

    def _patient(self, call: Callable[P, T], *, asks: bool) -> Callable[P, T]:
        @wraps(call)
        def patient(*args: P.args, **kwargs: P.kwargs) -> T:
            clashes = 0
            for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
                began = time.monotonic()
                try:
                    answer = call(*args, **kwargs)
                except Exception as error:
                    if is_clash(error) and clashes < _CLASHES:
                        clashes += 1
                        continue
                    if isinstance(error, StoreAway) or not self._is_away(error):
                        raise
                    if self._limit:
                        self._waited += time.monotonic() - began  # minutes, if it is silent
                    self._wait(pause, error)
                else:
                    if asks:
                        self._answered()
                    return answer
            raise AssertionError("the pauses have no end")

        return patient

    def _wait(self, pause: float, error: Exception) -> None:
        reason = masked(_reason(error))
        if self._gone is None:
            self._gone = time.monotonic()
            limit = f"{LIMIT_SECONDS / 60:.0f} minutes"
            logger.warning(
                "%s does not answer (%s); trying again, for %s where nothing goes on without it",
                *(self._store, reason, limit),
            )
        if self._waited >= self._limit:
            away = time.monotonic() - self._gone
            raise StoreAway(
                f"{self._store} has not answered for {away:.0f} s ({reason}); "
                "once it does, the same command goes on"
            ) from error
        try:
            time.sleep(pause)
        except KeyboardInterrupt:
            self.end()
            raise
        self._waited += pause

    def _answered(self) -> None:
        if self._gone is not None:
            away = time.monotonic() - self._gone
            logger.warning("%s answers again, after %.0f s", self._store, away)
        self._gone, self._waited = None, 0.0


def is_away(error: BaseException) -> bool:
    """Whether an error says that a store cannot be reached just now, and no more than that."""
    from requests import exceptions as http
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    for one in causes(error):
        if isinstance(one, DBAPIError):
            if type(one.orig).__module__.startswith("sqlite3"):
                return "locked" in str(one.orig)
            return isinstance(one, OperationalError | InterfaceError) or one.connection_invalidated
        if isinstance(one, http.HTTPError):
            return one.response is not None and one.response.status_code >= _SERVER_ERROR
        if isinstance(one, http.ConnectionError | http.Timeout | http.RetryError):
            return True
    return getattr(error, "error_code", "") == "TEMPORARILY_UNAVAILABLE"


def is_clash(error: BaseException) -> bool:
    """Whether another process has just written the same: a second attempt finds it there."""
    from sqlalchemy.exc import IntegrityError

    told = str(error)  # all that a server passes on
    return "UniqueViolation" in told or any(
        isinstance(one, IntegrityError) for one in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that led to it, the last first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """What an error began with, in its first words that say something."""
    told = [str(one).partition("\n")[0].strip("() ") for one in causes(error)]
    return next(filter(None, reversed(told)), type(error).__name__)
