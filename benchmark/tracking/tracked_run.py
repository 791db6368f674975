"""Turns a stream of log items into an MLflow run, or into a folder while the store is away."""

from __future__ import annotations

import logging
import time
import traceback
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from benchmark.tracking.items import Artifact, Banner, LoggedImage, LogItem, Metric, Param, Tag
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.pending import Pending, send_banner, send_image, send_inputs
from benchmark.tracking.unsent import (
    discard,
    keep_run,
    partial_folder,
    send_run,
    unsent_folder,
    whole,
)
from registry.errors import masked, of_the_machine, one_line

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

    from benchmark.tracking.writer import Tracker

FLUSH_SECONDS = 5.0
_LEAST_SHARE = 20
"""Between two attempts to send passes so many times as long as the first took, at least."""
logger = logging.getLogger(__name__)


class Skipped(Exception):
    """A run cannot be made here, through no fault of its own; the message says why."""


class ResultsKept(StoreAway):
    """A run has ended well, and all of it is kept on this machine, since its store is away."""


class TrackedRun:
    """An MLflow run that is written in batches and ends with its ``with`` block.

    The block's normal end marks it completed; `Skipped`, skipped, with the reason; any other
    exception, failed, with the traceback; a keyboard interrupt, killed.
    """

    def __init__(self, tracker: Tracker, run_id: str, name: str = "") -> None:
        self.id = run_id
        self._tracker = tracker
        self._client = tracker.client
        self._pending = Pending(run_id=run_id, name=name)
        self._due = time.monotonic() + FLUSH_SECONDS
        self._folder: Path | None = None
        self._is_away = False

    def keep_in(self, home: Path) -> None:
        """Keep in a home, and do not wait, while the store is away; see `ResultsKept`."""
        self._folder = partial_folder(unsent_folder(home), self.id)

    def log(self, *items: LogItem) -> None:
        """Take items; they reach MLflow within seconds or at the end, files at once."""
        for item in items:
            if isinstance(item, Artifact | LoggedImage | Banner):
                self._send_or_keep(item)
            else:
                kind, entity = _entity(item)
                self._pending.batch[kind].append(entity)
        if (began := time.monotonic()) > self._due:
            # Nothing waits for a store that is away: it gets them later.
            with suppress(StoreAway), self._tracker.patience.suspended():
                self.flush()
            took = time.monotonic() - began  # long, if it does not even refuse
            self._due = time.monotonic() + max(FLUSH_SECONDS, _LEAST_SHARE * took)

    def log_inputs(self, inputs: list[DatasetInput]) -> None:
        """Attach data sets to the run."""
        if self._folder is None:
            send_inputs(self._client, self.id, inputs)
        else:
            self._pending.inputs += inputs

    def flush(self) -> None:
        """Send the metrics, params and tags that are pending."""
        self._pending.send_batches(self._client)

    def withdraw(self) -> None:
        """Take the run back: it is not to be made after all."""
        self._client.set_terminated(self.id, "KILLED")
        self._client.delete_run(self.id)

    def _send_or_keep(self, item: Artifact | LoggedImage | Banner) -> None:
        if self._folder is None:
            self._send(item)
            return
        if not self._is_away:
            try:
                with self._tracker.patience.suspended():
                    self._send(item)
                return
            except StoreAway:
                self._is_away = True
        self._pending.keep(item, self._folder)

    def _send(self, item: Artifact | LoggedImage | Banner) -> None:
        if isinstance(item, LoggedImage):
            send_image(self._client, self.id, item)
        elif isinstance(item, Banner):
            send_banner(self._client, self.id, item)
        elif item.path.is_dir():
            self._client.log_artifacts(self.id, str(item.path), item.folder)
        else:
            self._client.log_artifact(self.id, str(item.path), item.folder)

    def __enter__(self) -> TrackedRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._end("FINISHED")
            return
        if isinstance(error, KeyboardInterrupt):
            self._tracker.patience.end()
        failed = isinstance(error, Exception) and not isinstance(error, Skipped)
        # The error tells more than that its record did not arrive.
        with suppress(StoreAway):
            if isinstance(error, Skipped):
                self.log(Tag("skipped", str(error)))
            elif failed:
                self._log_traceback(error)
            self._end("FAILED" if failed else "KILLED", error)

    def _log_traceback(self, error: BaseException) -> None:
        self.log(Tag("error", one_line(of_the_machine(error) or error)))
        text = masked("".join(traceback.format_exception(error)))
        try:
            with TemporaryDirectory() as folder:
                file = Path(folder) / "traceback.txt"
                file.write_text(text, encoding="utf-8")
                self.log(Artifact(file))
        except StoreAway:
            raise
        except Exception as another:  # perhaps that for which the run has failed
            name, told = self._pending.name, "the traceback of %s cannot be kept (%s)"
            logger.warning(told, name, one_line(another))

    def _end(self, status: str, error: BaseException | None = None) -> None:
        """End the run in the store, or on this machine if the store is away.

        Raises:
            ResultsKept: The run has ended well, and the store stays away.
        """
        pending, folder = self._pending, self._folder
        pending.status, pending.ended = status, int(time.time() * 1000)
        if folder is None:
            pending.send(self._client)
            return
        patience = self._tracker.patience
        if not self._is_away:
            with suppress(StoreAway), patience.suspended():
                pending.send(self._client)
                return
        if isinstance(error, StoreAway | KeyboardInterrupt):  # which leave nothing worth keeping
            discard(folder)
            return
        own = keep_run(pending, folder)
        if error is not None:
            with patience.suspended():
                send_run(self._tracker, own)
            return
        place = whole(own)
        try:
            with patience.suspended():
                self._client.get_run(self.id)
        except StoreAway:
            told = "the results of %s are kept in %s: once the store answers, %s"
            logger.warning(told, pending.name, place, "this command sends them, or the next one")
        try:
            send_run(self._tracker, own)
        except StoreAway as away:
            raise ResultsKept(f"its results are in {place}: {away} and sends them") from away


def _entity(item: Param | Metric | Tag) -> tuple[str, Any]:
    """What MLflow calls an item, and as what it takes it."""
    from mlflow import entities

    if isinstance(item, Metric):
        now = int(time.time() * 1000)
        return "metrics", entities.Metric(item.name, item.value, now, item.step)
    if isinstance(item, Param):
        return "params", entities.Param(item.name, masked(str(item.value)))
    return "tags", entities.RunTag(item.name, masked(item.value))
