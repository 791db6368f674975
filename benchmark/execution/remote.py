"""Turns a run into an outcome, or requests into answers, in a process of a cluster's machine.

Nothing here imports MLflow before the driver's settings are in the environment: it reads them as it
is imported.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.execution.workers import Service
    from benchmark.runs.options import Outcome, RunOptions
    from benchmark.study.config import Config
    from benchmark.study.plan import RunSpec

STARTED = "started"
"""What is told of a run once it has begun: then its time counts."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run, or a service, that a driver wants.

    Attributes:
        work: Pickled, such as `Work`, for a process that has the environment.
        environment: Settings of MLflow and credentials; Ray's own ways for them write them into
            command lines and logs.
        folder: Where the driver runs.
        host: On which machine.
        version: Of what a spec means.
    """

    work: bytes = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    folder: str
    host: str
    version: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done.

    Attributes:
        spec: The run.
        options: How.
        config: Of its study, which says where the images come from.
        force: As for `run_one`.
    """

    spec: RunSpec
    options: RunOptions
    config: Config
    force: bool


def make_run(order: Order, queue: Any) -> Outcome:
    """Make a run.

    Args:
        order: The run.
        queue: Ray's, which takes what is to be told meanwhile: log records, and (spec id,
            `STARTED` or an epoch's result).
    """
    with settled(order, queue):
        work: Work = pickle.loads(order.work)
        return _make(order, work, queue)


class RemoteWorker:
    """See `benchmark.execution.workers.Workers`: one of them, an actor of Ray's."""

    def __init__(self, order: Order, queue: Any) -> None:
        """Take on the driver's settings.

        Args:
            order: Of a service, the driver's options and the study's configuration.
            queue: Ray's, which takes what is logged here.
        """
        self._order = order
        self._stack = ExitStack()
        self._stack.enter_context(settled(order, queue))
        self._answer: Callable[[Any], Any] | None = None

    def answer(self, request: Any) -> Any:
        """Answer a request."""
        if self._answer is None:
            service: Service
            service, options, config = pickle.loads(self._order.work)
            settle = partial(options_here, self._order, service.spec, options, config)
            self._answer = service.answering(settle)
        return self._answer(request)

    def end(self) -> None:
        """Remove temporary files."""
        self._stack.close()


@contextmanager
def settled(order: Order, queue: Any) -> Iterator[None]:
    """Give this process the driver's settings, and a folder for its temporary files.

    Args:
        order: The driver's.
        queue: Ray's, which takes what is logged here.
    """
    from benchmark.processes.leftovers import temporary_folder
    from benchmark.processes.passed_logs import pass_logs_on

    os.environ.update(order.environment)
    if Path(order.folder).is_dir():
        os.chdir(order.folder)  # which relative paths begin at
    with temporary_folder():
        from benchmark.tracking.store import load_environment

        load_environment()
        pass_logs_on(partial(_put, queue))
        yield


def options_here(order: Order, spec: RunSpec, options: RunOptions, config: Config) -> RunOptions:
    """Turn the driver's options into those of this machine, to which images are brought.

    Raises:
        UserError: This machine cannot make the run.
    """
    from benchmark.execution.node_images import bring_images

    check_node(order, options)
    return replace(options, home=bring_images(spec, config, options.home))


def _make(order: Order, work: Work, queue: Any) -> Outcome:
    from benchmark.runs.options import Outcome
    from benchmark.runs.run_one import open_tracker, run_one
    from benchmark.tracking.unsent import send_unsent

    spec = work.spec

    def tell(message: Any) -> None:
        _put(queue, (spec.id, message))

    try:
        options = options_here(order, spec, work.options, work.config)
        send_unsent(open_tracker(options.store), options.home, warns=False)  # the driver does
    except UserError as error:
        return Outcome(spec=spec, status="failed", reason=str(error))
    report = lambda spec, result: tell(result)  # noqa: E731
    return run_one(spec, options, report, force=work.force, started=partial(tell, STARTED))


def _put(queue: Any, message: Any) -> None:
    with suppress(Exception):  # of Ray: nobody hears it any more
        queue.put(message)


def check_node(order: Order, options: RunOptions) -> None:
    """Make sure that a run made here is the run that is wanted, and reaches the store.

    Raises:
        UserError: Another version of bench is here, or artifacts would stay here.
    """
    from benchmark.runs.run_one import open_tracker
    from benchmark.study.plan import SPEC_VERSION
    from benchmark.tracking.locations import folder_of

    here = socket.gethostname()
    if order.version != SPEC_VERSION:
        raise UserError(f"{here} has another version of bench than {order.host}: install the same")
    if here == order.host:
        return
    tracker = open_tracker(options.store)
    folder = folder_of(tracker.client.get_experiment(tracker.experiment_id).artifact_location)
    if folder is not None and not folder.exists():
        raise UserError(
            f"artifacts go to {folder}, which {here} lacks; let a server keep them: "
            "mlflow server --artifacts-destination DIR"
        )
