"""Turns runs whose store is away into folders of BENCH_HOME, and these into runs once it is back.

Each folder bears a run's id. ``RUN~PROCESS.partial`` is being filled or removed, and worth nothing
once its process is dead. ``RUN`` is whole, and for whoever comes first. ``RUN~PROCESS.sending`` is
whole, and sent by a process: once that is dead, by the next one on its machine. Of a process on
another one nobody here knows whether it is dead: the user is asked.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.processes.identity import ProcessName, this_process
from benchmark.processes.leftovers import UNFINISHED, remove_unfinished
from benchmark.tracking.patience import StoreAway
from benchmark.tracking.pending import Pending
from registry.errors import one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

    from benchmark.tracking.writer import Tracker

_SENDING = ".sending"
logger = logging.getLogger(__name__)


def unsent_folder(home: Path) -> Path:
    """Where a home keeps them."""
    return home / "unsent"


def partial_folder(place: Path, run_id: str) -> Path:
    """Where this process gathers what is to be kept of a run."""
    return _owned(place / run_id, UNFINISHED)


def keep_run(pending: Pending, partial: Path) -> Path:
    """Make a run's folder whole; it is this process's to be sent.

    Args:
        pending: Of a run that has ended.
        partial: What was gathered of it, if anything was.
    """
    pending.save(partial)
    return partial.rename(_owned(whole(partial), _SENDING))


def send_run(tracker: Tracker, folder: Path) -> str:
    """Send a folder that is this process's, and remove it; if that fails, leave it to the next.

    Returns:
        The run's name.

    Raises:
        StoreAway: The store is away.
    """
    try:
        pending = Pending.load(folder)
        pending.send(tracker.client, folder)
    except BaseException:
        folder.rename(whole(folder))
        raise
    discard(folder)
    return pending.name


def send_unsent(tracker: Tracker, home: Path, *, warns: bool = True) -> None:
    """Send what earlier processes could not, and log of which runs.

    What belongs to another store stays, and so does what cannot be sent: why is logged.

    Args:
        tracker: Of the store.
        home: Whose.
        warns: Whether to warn of what processes on other machines have begun to send.

    Raises:
        StoreAway: The store is away.
    """
    from mlflow.exceptions import MlflowException

    place = unsent_folder(home)
    if not place.is_dir():
        return
    remove_unfinished(place)
    sent = []
    for path in sorted(place.iterdir()):
        if _run_of(tracker, path) is None:
            continue
        if (own := _take(path)) is None:
            sender = _sender(path)
            if warns and sender is not None and not sender.is_here:
                told = "%s was being sent by a process on %s: if that is dead, rename it to %s"
                logger.warning(told, path, sender.host, whole(path).name)
            continue
        try:
            sent.append(send_run(tracker, own))
        except StoreAway:
            raise
        except (MlflowException, OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be sent to MLflow: %s", whole(path), one_line(error))
    if sent:
        runs = "1 run" if len(sent) == 1 else f"{len(sent)} runs"
        names = ", ".join(sent)
        logger.info("sent the results of %s that the store did not take: %s", runs, names)


def unsent_specs(tracker: Tracker, home: Path) -> Iterator[str]:
    """Find what the next start will send of completed runs: their ids as specs.

    Raises:
        StoreAway: The store is away.
    """
    for path in sorted(unsent_folder(home).glob("*")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # it is no kept run
            is_completed = _is_free(path) and Pending.load(path).status == "FINISHED"
            if is_completed and (run := _run_of(tracker, path)):
                yield run.data.tags["spec_id"]


def discard(folder: Path) -> None:
    """Remove a folder, so that no half of it is ever taken for a whole."""
    if folder.is_dir():
        if not folder.name.endswith(UNFINISHED):
            folder = folder.rename(_owned(whole(folder), UNFINISHED))
        shutil.rmtree(folder, ignore_errors=True)


def whole(path: Path) -> Path:
    """The folder under the name of its run alone."""
    return path.with_name(path.name.partition("~")[0])


def _owned(path: Path, state: str) -> Path:
    return path.with_name(f"{path.name}~{this_process()}{state}")


def _run_of(tracker: Tracker, path: Path) -> Run | None:
    """The run that a folder belongs to; None if the store knows none, or it was deleted there."""
    from mlflow.exceptions import MlflowException

    try:
        run = tracker.client.get_run(whole(path).name)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _sender(path: Path) -> ProcessName | None:
    """The process that has begun to send a folder."""
    _, _, owner = path.name.partition("~")
    return ProcessName.read(owner.removesuffix(_SENDING)) if owner.endswith(_SENDING) else None


def _is_free(path: Path) -> bool:
    """Whether a folder is whole, and nobody's that may live."""
    sender = _sender(path)
    return path == whole(path) or (sender is not None and sender.is_dead)


def _take(path: Path) -> Path | None:
    """Make a whole folder this process's; None if it is another's."""
    if not _is_free(path):
        return None
    try:
        return path.rename(_owned(whole(path), _SENDING))
    except FileNotFoundError:  # another process was faster
        return None
