"""Executes a plan on a Ray cluster: each run in a fresh process, on whichever machine has room."""

from __future__ import annotations

import logging
import pickle
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.execution.cluster import Node, connected, elsewhere, live_nodes
from benchmark.execution.executor import GRACE_SECONDS, failed, marking, timed_out
from benchmark.execution.graph import execute_by_need
from benchmark.execution.listener import Listener
from benchmark.execution.needs import Unmet, more_memory, needs_of
from benchmark.execution.remote import STARTED, Order, Work, make_run
from benchmark.runs.options import Outcome, RunOptions
from benchmark.study.config import Config
from benchmark.study.plan import SPEC_VERSION, Plan, RunSpec
from benchmark.tracking.claims import end_runs_of
from benchmark.tracking.store import shared_environment
from benchmark.training.epochs import EpochResult
from registry.errors import UserError, one_line

QUEUED_AGAIN = 2
"""How often a run is made again whose process or machine died."""
POLL_SECONDS = 0.5
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RayExecutor:
    """See `benchmark.execution.executor.Executor`.

    Attributes:
        config: Of the study, by which machines that lack its images find them.
        address: HOST:PORT of a cluster that this machine has joined; None for this machine alone.
        jobs: How many runs at once a machine like this one makes.
        gpu_share: Of a GPU, which a network takes.
    """

    config: Config
    address: str | None = None
    jobs: int = 1
    gpu_share: float = 1.0

    def execute(
        self, plan: Plan, options: RunOptions, listener: Listener, *, force: bool
    ) -> Iterator[Outcome]:
        """Hand each run to the cluster as soon as those that it needs are complete.

        Raises:
            UserError: There is no such cluster, or its other machines cannot reach the store.
        """
        with connected(self.address) as nodes:
            check_reach(nodes, options)
            tasks = _Tasks(self, nodes, options, listener, force=force)
            try:
                yield from execute_by_need(plan, options, tasks, force=force)
            finally:
                tasks.end()


def check_reach(nodes: list[Node], options: RunOptions) -> None:
    """Make sure that all machines of a cluster can write to the store.

    Raises:
        UserError: They cannot.
    """
    others = elsewhere(nodes)
    if others and options.store.file is not None:
        raise UserError(
            f"{', '.join(others)} cannot reach the MLflow store {options.store}; start a "
            "server and set MLFLOW_TRACKING_URI=http://HOST:PORT, here or in mlflow.env"
        )


def order(work: object, options: RunOptions) -> Order:
    """What a process on another machine is told, with the settings of this one."""
    return Order(
        work=pickle.dumps(work),
        environment=shared_environment(),
        folder=str(Path.cwd()),
        host=options.driver.host,
        version=SPEC_VERSION,
    )


class Told:
    """What processes of a cluster tell while they work.

    Attributes:
        queue: Where they tell it.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # Short of memory, Ray ends it together with the run that took too much.
        again = {"max_restarts": -1, "max_task_retries": -1}
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here, **again})

    def hear(self) -> list[Any]:
        """Log here what was logged there, and return the rest."""
        from ray.util.queue import Empty

        try:
            messages = self.queue.get_nowait_batch(self.queue.qsize())
        except Empty:  # it has been started anew in between
            return []
        for record in messages:
            if isinstance(record, logging.LogRecord):
                logging.getLogger(record.name).handle(record)
        return [one for one in messages if not isinstance(one, logging.LogRecord)]


class _Tasks:
    """See `benchmark.execution.graph.Pool`; Ray queues what has no room yet."""

    def __init__(
        self,
        executor: RayExecutor,
        nodes: list[Node],
        options: RunOptions,
        listener: Listener,
        *,
        force: bool,
    ) -> None:
        import ray

        self._executor = executor
        self._nodes = nodes
        self._options = options
        self._listener = listener
        self._force = force
        self._told = Told()
        self._make = ray.remote(max_calls=1, max_retries=0)(make_run)
        self._running: dict[Any, RunSpec] = {}
        self._needs: dict[str, dict[str, Any]] = {}
        self._unmet = Unmet()
        self._began: dict[str, float] = {}
        self._deaths: Counter[str] = Counter()

    def has_room(self, spec: RunSpec) -> bool:
        """See `Pool`."""
        return True

    def begin(self, spec: RunSpec) -> None:
        """See `Pool`."""
        work = Work(
            spec=spec,
            options=self._options,
            config=self._executor.config,
            force=self._force,
        )
        needs = needs_of(spec, self._executor, self._nodes, self._options)
        self._needs[spec.id] = needs
        make = self._make.options(**needs)
        self._running[make.remote(order(work, self._options), self._told.queue)] = spec

    def hear(self) -> Iterator[Outcome]:
        """See `Pool`; messages other than outcomes are passed on."""
        import ray

        if not self._running:
            return
        ended, _ = ray.wait(list(self._running), timeout=POLL_SECONDS)
        self._pass_messages_on()
        for task in ended:
            spec = self._running.pop(task)
            if outcome := self._result(spec, task):
                yield outcome
        for task, spec in list(self._running.items()):
            if self._took_too_long(spec):
                self._stop([task])
                del self._running[task]
                yield timed_out(spec, self._options)
        yield from self._without_machines()

    def _without_machines(self) -> Iterator[Outcome]:
        """Fail the queued runs that no machine can take; not while any run goes on."""
        if any(spec.id in self._began for spec in self._running.values()):
            return
        nodes = live_nodes()
        told = (
            (task, self._unmet.reason(self._needs[spec.id], nodes))
            for task, spec in self._running.items()
        )
        vain = {task: reason for task, reason in told if reason}
        self._stop(list(vain))
        for task, reason in vain.items():
            yield failed(self._running.pop(task), self._options, reason)

    def _took_too_long(self, spec: RunSpec) -> bool:
        timeout, began = self._options.timeout, self._began.get(spec.id)
        return timeout is not None and began is not None and time.monotonic() - began > timeout

    def _pass_messages_on(self) -> None:
        specs = {spec.id: spec for spec in self._running.values()}
        for spec_id, message in self._told.hear():
            match message:
                case _ if spec_id not in specs:
                    pass  # of a run that took too long, and has been ended
                case EpochResult() as result:
                    self._listener.epoch(specs[spec_id], result)
                case _:
                    assert message == STARTED
                    self._began[spec_id] = time.monotonic()
                    self._listener.started(specs[spec_id])

    def _result(self, spec: RunSpec, task: Any) -> Outcome | None:
        """The outcome of a run that has ended; None if its process died, and it is queued again."""
        import ray

        try:
            outcome: Outcome = ray.get(task)
        except ray.exceptions.OutOfMemoryError:
            full = "its machine's memory was nearly full, and Ray ended its process"
            reason = f"{full}; {more_memory(self._executor)}"
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
            self._deaths[spec.id] += 1
            self._began.pop(spec.id, None)
            if self._deaths[spec.id] <= QUEUED_AGAIN:
                logger.warning("%s: %s; it is made again", spec.name, _cause_of_death(error))
                self._mark_killed(spec)
                self.begin(spec)
                return None
            reason = (
                f"{_cause_of_death(error)}, {QUEUED_AGAIN + 1} times, perhaps for lack of memory"
            )
        except ray.exceptions.RayError as error:
            reason = one_line(getattr(error, "cause", None) or error)
        else:
            return outcome
        return failed(spec, self._options, reason)

    def end(self) -> None:
        """Interrupt what goes on, end it after a while, and mark it as killed."""
        self._stop(list(self._running))
        for spec in self._running.values():
            self._mark_killed(spec)

    def _mark_killed(self, spec: RunSpec) -> None:
        with marking(self._options.store) as tracker:
            end_runs_of(tracker, self._options.driver, spec.id)

    def _stop(self, tasks: list[Any]) -> None:
        """End processes: by an interruption, which their runs put on record, or by force."""
        import ray

        for force in (False, True):
            if not tasks:
                return
            for task in tasks:
                ray.cancel(task, force=force)
            _, tasks = ray.wait(tasks, num_returns=len(tasks), timeout=GRACE_SECONDS)


def _cause_of_death(error: Exception) -> str:
    import ray

    died = "machine" if isinstance(error, ray.exceptions.NodeDiedError) else "process"
    return f"its {died} died"
