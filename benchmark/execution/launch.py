"""Turns a planned study into executed runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, TypedDict, get_args

from benchmark.execution.actors import Actors
from benchmark.execution.cluster import connected
from benchmark.execution.complete import Complete, find_complete
from benchmark.execution.executor import Executor
from benchmark.execution.forecast import Forecast, read_measured
from benchmark.execution.jobs import Jobs, jobs_at_once, sharing, trials_at_once
from benchmark.execution.listener import Listener
from benchmark.execution.local import LocalExecutor
from benchmark.execution.parallel import ParallelExecutor
from benchmark.execution.planning import SaveWeights, Study, embedding_ids, teacher_ids, weights_ids
from benchmark.execution.ray import RayExecutor, check_reach
from benchmark.execution.workers import Processes, Service, ThisProcess, Workers
from benchmark.ranking.runs import fetch
from benchmark.ranking.systems import tag_ranks
from benchmark.runs.exploration import log_exploration
from benchmark.runs.kept_weights import leave_best
from benchmark.runs.options import CHECKPOINT_SECONDS, Outcome, RunOptions
from benchmark.runs.run_one import open_tracker
from benchmark.study.species import is_studied
from benchmark.tracking.claims import end_dead_runs
from benchmark.tracking.store import Store
from benchmark.tracking.unsent import send_unsent, unsent_folder, unsent_specs
from benchmark.tracking.writer import Tracker
from benchmark.training.checkpoint import remove_abandoned
from benchmark.training.devices import find_device
from registry.errors import UserError

ExecutorName = Literal["local", "ray"]


class LaunchOptions(TypedDict, total=False):
    """How to run a study; see `Launch`."""

    device: str
    save_weights: SaveWeights
    explain: bool
    jobs: Jobs
    executor: ExecutorName
    address: str | None
    gpu_share: float
    timeout: float | None
    checkpoint: float


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A study and how to run it.

    Attributes:
        study: Data and plan.
        home: Folder of the image stores.
        device: Name of the device, or ``auto``.
        save_weights: Whose weights to keep.
        explain: Whether to draw explanations.
        jobs: How many runs at once, or ``auto``; on a cluster, on each machine like this one.
        executor: Whether they are made on this machine, or by Ray.
        address: HOST:PORT of Ray's cluster; None for one of this machine alone.
        gpu_share: Of a GPU, which Ray gives to a network.
        timeout: Seconds that a run may take.
        checkpoint: Seconds of a network's training that an interruption may lose, besides an epoch.
        force: Whether to repeat runs that are complete.
    """

    study: Study
    home: Path
    device: str = "auto"
    save_weights: SaveWeights = "best"
    explain: bool = True
    jobs: Jobs = 1
    executor: ExecutorName = "local"
    address: str | None = None
    gpu_share: float = 1.0
    timeout: float | None = None
    checkpoint: float = CHECKPOINT_SECONDS
    force: bool = False

    def __post_init__(self) -> None:
        """Refuse what a caller from Python may pass, whom no command line has checked.

        Raises:
            UserError: It is no such number or name, or does not go with the others.
        """
        if self.jobs != "auto" and (not isinstance(self.jobs, int) or self.jobs < 1):
            raise UserError(f"jobs={self.jobs!r} is neither a number from 1 nor 'auto'")
        for name, known in (("save_weights", SaveWeights), ("executor", ExecutorName)):
            if (value := getattr(self, name)) not in get_args(known):
                raise UserError(f"{name}={value!r} is none of {', '.join(get_args(known))}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise UserError(f"timeout={self.timeout!r} is no number of seconds")
        if not 0 <= self.checkpoint < math.inf:
            raise UserError(f"checkpoint={self.checkpoint!r} is no number of seconds")
        if not 0 < self.gpu_share <= 1:
            raise UserError(f"gpu_share={self.gpu_share!r} is no share above 0, and 1 at most")
        self._check_executor()

    def _check_executor(self) -> None:
        if self.executor == "ray":
            if self.device not in ("auto", "cpu"):
                raise UserError(f"Ray chooses the GPU itself; leave device={self.device!r} out")
            return
        for name, value in (("address", self.address), ("gpu_share", self.gpu_share)):
            if value not in (None, 1):
                raise UserError(f"{name}={value!r} goes with executor='ray'")

    @cached_property
    def options(self) -> RunOptions:
        """What workers are told.

        Raises:
            UserError: The device is not there.
        """
        plan, folder = self.study.plan, self.study.config.weights_folder
        return RunOptions(
            store=Store(),
            home=self.home,
            # Ray's workers find the one that they are given.
            device=self.device if self.executor == "ray" else str(find_device(self.device)),
            preset=self.study.config.preset,
            studied=is_studied(self.study.data.class_names),
            weights_folder=None if folder is None else Path(folder),
            save_weights=weights_ids(plan, self.save_weights),
            keep_best=self.save_weights == "best",
            save_embeddings=embedding_ids(plan),
            save_train_predictions=teacher_ids(plan),
            explain=self.explain,
            timeout=self.timeout,
            checkpoint_seconds=self.checkpoint,
        )

    @cached_property
    def from_before(self) -> Complete:
        """The runs that are complete from before, and are not repeated."""
        return Complete() if self.force else find_complete(self.study.plan, self.options)

    @property
    def complete(self) -> frozenset[str]:
        """Ids of these."""
        return self.from_before.ids

    @cached_property
    def unsent(self) -> frozenset[str]:
        """Ids of the runs that are complete but for their results, which wait to be sent."""
        store = self.options.store
        if self.force or not store.exists() or not any(unsent_folder(self.home).glob("*")):
            return frozenset()
        with suppress(UserError):  # there is no experiment yet
            return frozenset(unsent_specs(Tracker(store, write=False), self.home))
        return frozenset()

    @cached_property
    def forecast(self) -> Forecast:
        """How long runs take, from what was measured before on this machine."""
        return Forecast(read_measured(self.options))

    @cached_property
    def at_once(self) -> int:
        """How many runs are made at once."""
        if self.jobs != "auto":
            return self.jobs
        todo = [spec for spec in self.study.plan if spec.id not in self.complete]
        return jobs_at_once(todo, find_device(self.device), self.forecast.seconds)

    def execute(self, listener: Listener) -> Iterator[Outcome]:
        """Log the data's exploration, then run the plan, telling the listener all of it.

        See `Executor.execute`.
        """
        with self.tidying({spec.context for spec in self.study.plan}) as tracker:
            log_exploration(self.study.data, tracker)
            executor, options = self.make_executor(), sharing(self.options, self.at_once)
            plan, force = self.study.plan, self.force
            for outcome in executor.execute(plan, options, listener, force=force):
                listener.ended(outcome)
                yield outcome

    @contextmanager
    def tidying(self, contexts: Collection[str]) -> Iterator[Tracker]:
        """Send and end what earlier processes left; after the block, rank, and keep the best.

        Runs are tagged with their ranks; weights that were kept while their row might become the
        best are deleted unless it is.

        Args:
            contexts: Of the runs that the block makes.
        """
        tracker = open_tracker(self.options.store)
        tracker.patience.begin()
        send_unsent(tracker, self.home)
        end_dead_runs(tracker)
        remove_abandoned(self.home)
        yield tracker
        if self.options.keep_best:
            leave_best(self.options.store, tracker, contexts)
        for context in contexts:
            with suppress(UserError):  # no run is completed, or the store is away
                tag_ranks(self.options.store, tracker, fetch(self.options.store, [context]))

    @property
    def on_ray(self) -> RayExecutor:
        """Makes runs on the cluster."""
        return RayExecutor(
            config=self.study.config,
            address=self.address,
            jobs=self.at_once,
            gpu_share=self.gpu_share,
        )

    def make_executor(self) -> Executor:
        """Find who makes the runs."""
        if self.executor == "ray":
            return self.on_ray
        if self.at_once == 1 and self.timeout is None:
            return LocalExecutor()
        return ParallelExecutor(self.at_once)  # whose processes can be ended

    @contextmanager
    def hiring(self) -> Iterator[Callable[[Service], Workers]]:
        """Find who answers requests, such as for trials, during the block.

        Raises:
            UserError: There is no such cluster, or its other machines cannot reach the store.
        """
        if self.executor == "local":
            yield self._workers
            return
        with connected(self.address) as nodes:
            check_reach(nodes, self.options)
            yield partial(Actors, executor=self.on_ray)

    def _workers(self, service: Service) -> Workers:
        is_network = service.spec.system.head is None
        at_once = trials_at_once(self.jobs, is_network=is_network)
        if at_once == 1 or (is_network and self.options.device != "cpu"):  # which fills a GPU
            return ThisProcess(service)
        return Processes.serving(service, at_once)
