"""Turns requests into answers by actors of Ray's, on whichever machines have room for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmark.execution.cluster import live_nodes
from benchmark.execution.executor import GRACE_SECONDS
from benchmark.execution.jobs import sharing
from benchmark.execution.needs import Unmet, more_memory, needs_of
from benchmark.execution.ray import POLL_SECONDS, RayExecutor, Told, order
from benchmark.execution.remote import RemoteWorker
from benchmark.execution.workers import Lost, Service
from registry.errors import UserError, one_line


class Actors:
    """See `benchmark.execution.workers.Workers`: as many as the cluster has room for."""

    def __init__(self, service: Service, executor: RayExecutor) -> None:
        """Begin with none.

        Args:
            service: What is asked for.
            executor: The cluster, to which this process is connected.

        Raises:
            UserError: It has no machine.
        """
        import ray

        options = sharing(service.options, executor.jobs)
        self._executor = executor
        self._unmet = Unmet()
        self._needs = needs_of(service.spec, executor, live_nodes(), options)
        self._order = order((service, options, executor.config), options)
        self._told = Told()
        never_again = ray.remote(max_restarts=0, max_task_retries=0)
        self._actor = never_again(RemoteWorker).options(**self._needs)
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}

    @property
    def size(self) -> int:
        """See `Workers`; machines may join and leave."""
        cpus, gpus = self._needs["num_cpus"], self._needs["num_gpus"]
        return max(1, sum(node.room(cpus, gpus) for node in live_nodes()))

    def ask(self, worker: int, request: Any) -> None:
        """See `Workers`."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._order, self._told.queue)
        self._asked[self._actors[worker].answer.remote(request)] = worker

    def hear(self) -> Iterator[tuple[int, Any]]:
        """See `Workers`; what is logged is passed on.

        Raises:
            UserError: No machine is there any more for what is asked for.
        """
        import ray

        ended, _ = ray.wait(list(self._asked), timeout=POLL_SECONDS)
        self._told.hear()
        for task in ended:
            worker = self._asked.pop(task)
            try:
                yield worker, ray.get(task)
            except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                del self._actors[worker]
                yield worker, Lost(reason=f"its process died {self._cause(error)}")
            except ray.exceptions.RayError as error:
                reason = one_line(getattr(error, "cause", None) or error)
                yield worker, Lost(reason=reason, again=False)
        if self._asked and (reason := self._unmet.reason(self._needs, live_nodes())):
            raise UserError(reason)
        self._make_room()

    def _make_room(self) -> None:
        """Dismiss who is idle if there is no longer room for all: one that is asked may wait."""
        idle = self._actors.keys() - {*self._asked.values()}
        for worker in sorted(idle)[: max(0, len(self._actors) - self.size)]:
            self._dismiss([self._actors.pop(worker)])

    def end(self) -> None:
        """See `Workers`."""
        self._dismiss([self._actors.pop(worker) for worker in [*self._actors]])

    def _dismiss(self, actors: list[Any]) -> None:
        import ray

        ends = [actor.end.remote() for actor in actors]
        if ends:
            ray.wait(ends, num_returns=len(ends), timeout=GRACE_SECONDS)
        for actor in actors:
            ray.kill(actor)

    def _cause(self, error: Exception) -> str:
        import ray

        if isinstance(error, ray.exceptions.OutOfMemoryError):
            return f"for lack of memory; {more_memory(self._executor)}"
        return "with its machine, or for lack of memory"
